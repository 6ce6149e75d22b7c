package api

import (
	"encoding"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// An object of the document, written with its names in order.
type document = map[string]any

// serveOpenAPI describes the routes, as the table has them.
func (d *Door) serveOpenAPI(w *answerWriter, _ *http.Request) error {
	return sendJSON(w, describe(d.routes))
}

func describe(routes []route) document {
	schemas := document{}
	paths := document{}
	for i := range routes {
		r := &routes[i]
		path := r.template()
		if paths[path] == nil {
			paths[path] = document{}
		}
		paths[path].(document)[strings.ToLower(r.method)] = r.operation(schemas)
	}
	schemaOf(reflect.TypeFor[Problem](), schemas)
	return document{
		"openapi": "3.1.0",
		"info":    document{"title": "Tocsin", "version": "1", "description": "The local door of one node. Every route may answer with problem details (RFC 9457)."},
		"paths":   paths,
		"components": document{
			"schemas": schemas,
			"securitySchemes": document{
				"token": document{"type": "http", "scheme": "bearer"},
				"basic": document{"type": "http", "scheme": "basic", "description": "the token as the password of any user"},
				"key":   document{"type": "apiKey", "in": "header", "name": apiKey},
			},
		},
	}
}

// template is the path as OpenAPI writes it, which has no way to say that a
// parameter takes slashes.
func (r *route) template() string {
	return strings.NewReplacer("...}", "}", "/{$}", "/").Replace(r.path)
}

func (r *route) operation(schemas document) document {
	op := document{"summary": r.summary, "responses": r.responses(schemas), "parameters": r.parameters()}
	if r.right != anyone {
		if !r.secret {
			op["security"] = []document{{"token": []string{}}, {"basic": []string{}}, {"key": []string{}}}
		}
		var able []Role
		for _, role := range roles() {
			if role.may(r.right) {
				able = append(able, role)
			}
		}
		op["x-roles"] = able
	}
	if r.local {
		op["x-local-socket-only"] = true
	}
	if len(r.takes) > 0 {
		content := document{}
		for _, mediaType := range r.takes {
			media := document{}
			if mediaType == typeJSON && r.body != nil {
				media["schema"] = schemaOf(reflect.TypeOf(r.body), schemas)
			}
			content[mediaType] = media
		}
		op["requestBody"] = document{"required": true, "content": content}
	}
	return op
}

func (r *route) parameters() []document {
	list := []document{}
	for _, part := range strings.Split(r.template(), "/") {
		if strings.HasPrefix(part, "{") {
			list = append(list, document{"name": strings.Trim(part, "{}"), "in": "path", "required": true, "schema": document{"type": "string"}})
		}
	}
	for _, p := range r.query {
		schema := document{"type": "string"}
		if p.many {
			schema = document{"type": "array", "items": schema}
		}
		list = append(list, document{"name": p.name, "in": "query", "description": p.about, "schema": schema})
	}
	return list
}

func (r *route) responses(schemas document) document {
	problem := document{"description": "what went wrong", "content": document{
		"application/problem+json": document{"schema": document{"$ref": "#/components/schemas/Problem"}},
	}}
	if r.answer == nil && r.gives == "" {
		return document{"204": document{"description": "done"}, "default": problem}
	}
	media := document{}
	if r.answer != nil {
		media["schema"] = schemaOf(reflect.TypeOf(r.answer), schemas)
	}
	gives := r.gives
	if gives == "" {
		gives = typeJSON
	}
	return document{"200": document{"description": "the answer", "content": document{gives: media}}, "default": problem}
}

// schemaOf describes a type, and puts named structs into schemas.
func schemaOf(t reflect.Type, schemas document) document {
	switch {
	case t == reflect.TypeFor[jsontext.Value]():
		return document{}
	case t == reflect.TypeFor[time.Time]():
		return document{"type": "string", "format": "date-time"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return document{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), schemas)
	case reflect.Bool:
		return document{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Uint8:
		return document{"type": "integer"}
	case reflect.String:
		return document{"type": "string"}
	case reflect.Slice, reflect.Array:
		return document{"type": "array", "items": schemaOf(t.Elem(), schemas)}
	case reflect.Map:
		return document{"type": "object", "additionalProperties": schemaOf(t.Elem(), schemas)}
	case reflect.Struct:
		name := schemaName(t)
		if schemas[name] == nil {
			schemas[name] = document{} // a type that holds itself finds this
			schemas[name] = structSchema(t, schemas)
		}
		return document{"$ref": "#/components/schemas/" + name}
	}
	return document{}
}

// schemaName is a type's name, behind that of its package where it is another: sinks
// and sources both have a State.
func schemaName(t reflect.Type) string {
	room := path.Base(t.PkgPath())
	if t.PkgPath() == reflect.TypeFor[Door]().PkgPath() {
		return t.Name()
	}
	return strings.ToUpper(room[:1]) + room[1:] + t.Name()
}

func structSchema(t reflect.Type, schemas document) document {
	properties, required := document{}, []string{}
	collect(t, schemas, properties, &required)
	schema := document{"type": "object", "properties": properties}
	if len(required) > 0 {
		slices.Sort(required)
		schema["required"] = required
	}
	return schema
}

func collect(t reflect.Type, schemas, properties document, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case f.Anonymous && embedded.Kind() == reflect.Struct && name == "":
			optional := &[]string{}
			if f.Type.Kind() == reflect.Struct {
				optional = required
			}
			collect(embedded, schemas, properties, optional)
		case !f.IsExported() || tag == "-":
		default:
			properties[unquoted(name)] = schemaOf(f.Type, schemas)
			if !strings.Contains(options, "omit") {
				*required = append(*required, unquoted(name))
			}
		}
	}
}

// unquoted is the name in a tag, which may be quoted.
func unquoted(name string) string {
	if text, err := strconv.Unquote(strings.ReplaceAll(name, "'", `"`)); err == nil {
		return text
	}
	return name
}
