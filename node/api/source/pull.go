package source

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	requestTime  = 5 * time.Minute
	maxRedirects = 3
	maxHeader    = 64 << 10
)

// A pull is one under way.
type pull struct {
	s      *Sources
	rec    *record
	client *http.Client
	secret string
	report Report
}

func (p *pull) run(ctx context.Context) error {
	if err := p.open(); err != nil {
		return err
	}
	defer p.client.CloseIdleConnections()
	if p.rec.Kind == TAXII {
		return p.taxii(ctx)
	}
	return p.misp(ctx)
}

// open reads the files it takes, and makes the client.
func (p *pull) open() error {
	c := &p.rec.Config
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := p.s.File(c.CAFile, false)
		if err != nil {
			return fmt.Errorf("CA: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("CA: %s holds no certificate in PEM", c.CAFile)
		}
	}
	if c.SecretFile != "" {
		b, err := p.s.File(c.SecretFile, true)
		if err != nil {
			return fmt.Errorf("secret: %w", err)
		}
		p.secret = string(bytes.TrimSpace(b))
	}
	p.client = &http.Client{
		Timeout: requestTime, CheckRedirect: sameHost,
		Transport: &http.Transport{
			DialContext: p.s.Dialer(c.Allow, c.Plain()), TLSClientConfig: config, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: maxHeader, MaxConnsPerHost: 2,
		},
	}
	return nil
}

// sameHost follows a redirect where it stays on the host that was asked, and as
// safe as that was.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > maxRedirects || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return fmt.Errorf("a redirect to %s://%s is not followed", req.URL.Scheme, req.URL.Host)
	}
	return nil
}

// get asks for something. The caller closes the answer's body.
func (p *pull) get(ctx context.Context, url, accept string, more http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range more {
		req.Header[name] = values
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "tocsin")
	switch {
	case p.rec.User != "":
		req.SetBasicAuth(p.rec.User, p.secret)
	case p.secret != "":
		req.Header.Set("Authorization", "Bearer "+p.secret)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return resp, nil
}

// news asks for something unless it is as when the record's ETag and Modified were
// noted; then the answer is nil. The caller closes its body.
func (p *pull) news(ctx context.Context, url, accept string) (*http.Response, error) {
	more := http.Header{}
	if p.rec.ETag != "" {
		more.Set("If-None-Match", p.rec.ETag)
	}
	if p.rec.Modified != "" {
		more.Set("If-Modified-Since", p.rec.Modified)
	}
	resp, err := p.get(ctx, url, accept, more)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotModified && len(more) > 0 {
		resp.Body.Close()
		return nil, nil
	}
	p.report.etag, p.report.modified = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	return resp, nil
}

var errTooLarge = errors.New("too large")

// body reads an answer of 200, up to [MaxPage].
func body(resp *http.Response) ([]byte, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w answers %s", ErrAnswer, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxPage+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: its answer was cut off: %w", ErrAnswer, err)
	case len(b) > MaxPage:
		return nil, fmt.Errorf("%w: %w: an answer of more than %d MiB", ErrAnswer, errTooLarge, MaxPage>>20)
	}
	return b, nil
}
