package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

var errLine = errors.New("not the line of a record")

// DecodeRecord reads a line with its end. It takes what [Record.Encode] writes,
// byte for byte, and nothing else.
func DecodeRecord(line []byte) (Record, error) {
	if len(line) > maxLine {
		return Record{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", errLine, len(line), maxLine)
	}
	s := scanner{rest: line}
	r := s.record()
	if s.failed {
		return Record{}, fmt.Errorf("%w from byte %d on", errLine, len(line)-len(s.rest))
	}
	if r.Seq == 0 || !bytes.Equal(r.Encode(), line) {
		return Record{}, fmt.Errorf("%w: another one would be written for what it says", errLine)
	}
	return r, nil
}

// A scanner reads a line from its begin. Since the order of members is fixed,
// it looks for each where it may stand.
type scanner struct {
	rest   []byte
	failed bool
}

// chain reads what stands first in every line, without looking at the rest.
func (s *scanner) chain() (r Record) {
	s.want(`{"prev":"`)
	s.hash(&r.Prev)
	s.want(`","seq":`)
	r.Seq, _ = strconv.ParseUint(s.number(), 10, 64)
	s.want(`,"at":"`)
	if s.failed || len(s.rest) < len(timeLayout) {
		s.failed = true
		return r
	}
	at, err := time.Parse(timeLayout, string(s.rest[:len(timeLayout)]))
	if err != nil {
		s.failed = true
		return r
	}
	r.At, s.rest = at, s.rest[len(timeLayout):]
	return r
}

func (s *scanner) record() Record {
	r := s.chain()
	s.want(`"`)
	r.Act = Act(s.member(`,"act":"`))
	r.Actor = s.member(`,"actor":"`)
	r.Org = s.member(`,"org":"`)
	r.Peer = s.member(`,"peer":"`)
	r.Community = s.member(`,"community":"`)
	r.Bulletin = s.member(`,"bulletin":"`)
	r.TLP = s.member(`,"tlp":"`)
	r.Rule = s.member(`,"rule":"`)
	if s.take(`,"count":`) {
		r.Count = s.int64()
	}
	if s.take(`,"numbers":`) {
		r.Numbers = make(map[string]int64)
		s.object(func(key string) { r.Numbers[key] = s.int64() })
	}
	if s.take(`,"words":`) {
		r.Words = make(map[string]string)
		s.object(func(key string) { s.want(`"`); r.Words[key] = s.quoted() })
	}
	s.want("}\n")
	s.failed = s.failed || len(s.rest) > 0
	return r
}

// take skips a token that may stand here.
func (s *scanner) take(token string) bool {
	if s.failed || len(s.rest) < len(token) || string(s.rest[:len(token)]) != token {
		return false
	}
	s.rest = s.rest[len(token):]
	return true
}

// want skips a token that must stand here.
func (s *scanner) want(token string) { s.failed = s.failed || !s.take(token) }

func (s *scanner) hash(h *Hash) {
	if s.failed || len(s.rest) < 2*len(h) {
		s.failed = true
		return
	}
	if _, err := hex.Decode(h[:], s.rest[:2*len(h)]); err != nil {
		s.failed = true
		return
	}
	s.rest = s.rest[2*len(h):]
}

// number returns the digits that stand here, with a minus perhaps.
func (s *scanner) number() string {
	end := 0
	for end < len(s.rest) && end <= 20 && (s.rest[end] == '-' || '0' <= s.rest[end] && s.rest[end] <= '9') {
		end++
	}
	digits := string(s.rest[:end])
	s.rest = s.rest[end:]
	s.failed = s.failed || end == 0
	return digits
}

// int64 reads a number; that it is the canonical one is seen by writing it again.
func (s *scanner) int64() int64 {
	n, err := strconv.ParseInt(s.number(), 10, 64)
	s.failed = s.failed || err != nil
	return n
}

// member reads a text that may stand here, or "".
func (s *scanner) member(token string) string {
	if !s.take(token) {
		return ""
	}
	return s.quoted()
}

// quoted reads up to the quote that ends a text.
func (s *scanner) quoted() string {
	plain := bytes.IndexAny(s.rest, `"\`)
	if s.failed || plain < 0 {
		s.failed = true
		return ""
	}
	if s.rest[plain] == '"' {
		word := string(s.rest[:plain])
		s.rest = s.rest[plain+1:]
		return word
	}
	var word []byte
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			s.rest = s.rest[i+1:]
			return string(word)
		case '\\':
			if i++; i == len(s.rest) {
				break
			}
			fallthrough
		default:
			word = append(word, s.rest[i])
		}
	}
	s.failed = true
	return ""
}

// object reads the members of a map of at most maxDetails.
func (s *scanner) object(member func(key string)) {
	s.want(`{"`)
	for range maxDetails {
		key := s.quoted()
		s.want(":")
		member(key)
		if s.failed || s.take("}") {
			return
		}
		s.want(`,"`)
	}
	s.failed = true
}
