package taxii

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// ReadObjects takes the objects out of an envelope, or of a bundle. An envelope
// may have properties of its sender's own, which are passed over. An error wraps
// [ErrQuery] where the body is not strict JSON, and [ErrContent] where it is
// neither or has no object.
func ReadObjects(r io.Reader, bundle bool) ([]jsontext.Value, error) {
	var body struct {
		Type    string                    `json:"type"`
		Objects []jsontext.Value          `json:"objects"`
		Rest    map[string]jsontext.Value `json:",inline"`
	}
	err := json.UnmarshalRead(r, &body)
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("%w: the body, byte %d: %v", ErrQuery, syntax.ByteOffset, syntax.Err)
	case errors.As(err, &meaning):
		return nil, fmt.Errorf("%w: the body is not what it should be at %q", ErrContent, string(meaning.JSONPointer))
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: the body ends before its object does", ErrQuery)
	case err != nil:
		return nil, err
	case bundle && body.Type != "bundle" || !bundle && body.Type != "" && body.Type != "bundle":
		return nil, fmt.Errorf("%w: the body has type %q: send an envelope, or a bundle as %s", ErrContent, excerpt(body.Type), TypeSTIX)
	case len(body.Objects) == 0:
		return nil, fmt.Errorf("%w: no objects in the body", ErrContent)
	}
	return body.Objects, nil
}

// DetailOf names an object of a POST, as well as that can be done.
func DetailOf(raw []byte, index int, message string) StatusDetail {
	line, err := stix.Outlined(raw)
	if err != nil || !stix.IsID(line.ID) {
		return StatusDetail{ID: fmt.Sprintf("objects[%d]", index), Message: message}
	}
	return StatusDetail{ID: line.ID, Version: line.Version(), Message: message}
}
