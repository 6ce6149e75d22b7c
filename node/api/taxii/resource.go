package taxii

import "time"

// Media types.
const (
	MediaType   = "application/taxii+json;version=2.1" // of every answer
	TypeTAXII   = "application/taxii+json"
	TypeSTIX    = "application/stix+json"
	objectsType = TypeSTIX + ";version=2.1" // of every object
)

// Discovery is the resource at /taxii2/.
type Discovery struct {
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Default     string   `json:"default,omitempty"`
	APIRoots    []string `json:"api_roots,omitempty"`
}

// An APIRoot is the resource of an API root.
type APIRoot struct {
	Title            string   `json:"title"`
	Description      string   `json:"description,omitempty"`
	Versions         []string `json:"versions"`
	MaxContentLength int64    `json:"max_content_length"`
}

// A CollectionResource is a collection as one caller has it.
type CollectionResource struct {
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	CanRead     bool     `json:"can_read"`
	CanWrite    bool     `json:"can_write"`
	MediaTypes  []string `json:"media_types"`
}

// Collections is the list of them; the standard has no empty lists.
type Collections struct {
	Collections []CollectionResource `json:"collections,omitempty"`
}

// An ErrorResource says what went wrong.
type ErrorResource struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	ErrorID     string `json:"error_id,omitempty"`
	HTTPStatus  string `json:"http_status"` // a string, as the standard has it
}

// A StatusResource says what became of the objects of a POST.
type StatusResource struct {
	ID        string         `json:"id"`
	Status    string         `json:"status"` // complete, or pending
	Request   Timestamp      `json:"request_timestamp"`
	Total     int            `json:"total_count"`
	Success   int            `json:"success_count"`
	Successes []StatusDetail `json:"successes,omitempty"`
	Failure   int            `json:"failure_count"`
	Failures  []StatusDetail `json:"failures,omitempty"`
	Pending   int            `json:"pending_count"`
	Pendings  []StatusDetail `json:"pendings,omitempty"`
}

// An StatusDetail is one object of a POST, under the id and version it came with.
type StatusDetail struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Message string `json:"message,omitempty"`
}

// A Timestamp is written in UTC with six digits of a fraction, as TAXII has it.
type Timestamp struct{ time.Time }

const timestampForm = "2006-01-02T15:04:05.000000Z"

// MarshalText writes the timestamp.
func (t Timestamp) MarshalText() ([]byte, error) {
	return []byte(t.UTC().Format(timestampForm)), nil
}

// UnmarshalText reads any RFC 3339 timestamp.
func (t *Timestamp) UnmarshalText(text []byte) error { return t.Time.UnmarshalText(text) }

// Discover is the discovery resource of a node. Roots are relative: a root on plain
// HTTP may not be named by a whole URL.
func Discover(title string) Discovery {
	d := Discovery{Title: title, Description: "Threat intelligence of a sharing federation, as far as the caller may see it."}
	for _, r := range Roots() {
		d.APIRoots = append(d.APIRoots, "/taxii2/"+r.Name+"/")
	}
	d.Default = d.APIRoots[0]
	return d
}

// Resource is the root's own resource.
func (r *Root) Resource(maxBody int64) APIRoot {
	return APIRoot{Title: r.Title, Description: r.Description, Versions: []string{MediaType}, MaxContentLength: maxBody}
}

// Resource is a collection of a root, as a caller has it who may post or not.
func (c *Collection) Resource(r *Root, maySay bool) CollectionResource {
	return CollectionResource{
		ID: c.ID, Title: c.Title, Description: c.description(), CanRead: true, CanWrite: maySay && c.Writable(r), MediaTypes: []string{objectsType},
	}
}
