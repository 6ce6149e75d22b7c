package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	priority   = 16*8 + 5         // local0.notice
	probe      = time.Millisecond // how long to look for an end of the connection
	maxHostLen = 255
)

// A syslog is a collector that is connected.
type syslog struct {
	conn   net.Conn
	format Format
	host   string
}

func connectSyslog(ctx context.Context, out outlet, f Format, host string) (*syslog, error) {
	conn, err := out.secured(ctx, "tcp", out.address())
	if err != nil {
		return nil, err
	}
	return &syslog{conn, f, syslogHost(host)}, nil
}

// syslogHost is a name as the header of a message takes it.
func syslogHost(name string) string {
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, name)
	if name == "" {
		return "-"
	}
	return name[:min(len(name), maxHostLen)]
}

func (s *syslog) close() { s.conn.Close() }

// send writes a batch. A collector says nothing, so an end of the connection is
// looked for first: what is written into one that has ended is lost.
func (s *syslog) send(ctx context.Context, batch []Event) error {
	s.conn.SetReadDeadline(time.Now().Add(probe))
	if _, err := s.conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the collector closed the connection: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { s.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := s.conn.Write(s.frames(batch))
	return err
}

func (s *syslog) frames(batch []Event) []byte {
	var b bytes.Buffer
	now := time.Now()
	for i := range batch {
		texts := []string{string(batch[i].JSON)}
		if s.format == CEF {
			texts = cefLines(&batch[i])
		}
		for _, text := range texts {
			line := syslogLine(now, s.host, batch[i].Op, text)
			b.WriteString(strconv.Itoa(len(line)) + " " + line)
		}
	}
	return b.Bytes()
}

// syslogLine is one message of RFC 5424.
func syslogLine(now time.Time, host, op, text string) string {
	return fmt.Sprintf("<%d>1 %s %s tocsin - %s - %s", priority, now.UTC().Format("2006-01-02T15:04:05.000Z"), host, op, text)
}
