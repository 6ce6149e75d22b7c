package sink

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	secretPrefix = "whsec_"
	maxReply     = 16 << 10 // bytes of an answer that are read
)

// A webhook is a receiver behind HTTP.
type webhook struct {
	name, url string
	key       []byte
	client    *http.Client
}

func newWebhook(rec *record, out outlet) *webhook {
	return &webhook{rec.Name, rec.URL, rec.Secret, &http.Client{
		Transport: &http.Transport{
			DialContext: out.dial, TLSClientConfig: out.tls, ForceAttemptHTTP2: true,
			MaxConnsPerHost: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: maxReply,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *webhook) close() { w.client.CloseIdleConnections() }

// webhookBody writes a batch.
func webhookBody(name string, batch []Event) ([]byte, error) {
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"sink":%s,"changes":[`, quoted)
	for i := range batch {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(batch[i].JSON)
	}
	b.WriteString("]}")
	return b.Bytes(), nil
}

// sign is the signature of Standard Webhooks.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (w *webhook) send(ctx context.Context, batch []Event) error {
	body, err := webhookBody(w.name, batch)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	id, timestamp := batchID(batch), strconv.FormatInt(time.Now().Unix(), 10)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "tocsin",
		"Webhook-Id": id, "Webhook-Timestamp": timestamp, "Webhook-Signature": sign(w.key, id, timestamp, body),
	} {
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply)) // so that the connection can be used again
	return verdict(resp)
}

// verdict is what an answer says about a batch.
func verdict(resp *http.Response) error {
	err := fmt.Errorf("the receiver answers %s", resp.Status)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: redirects are not followed, give the address it leads to", err)
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnsupportedMediaType, code == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if s, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && s > 0 && s < 1<<20 {
		return &later{err, time.Duration(s) * time.Second}
	}
	return err
}
