package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// typeBackup is a stream that ends in its own hash: a backup cut short is told.
const typeBackup = "application/vnd.tocsin.backup"

// serveBackup streams the whole store as it is at this moment.
func (d *Door) serveBackup(w *answerWriter, req *http.Request) error {
	if err := d.node.NoteFirst(req.Context(), journal.Record{Act: journal.ActExport, Rule: "backup"}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeBackup)
	report, err := d.node.Store().Backup(req.Context(), w)
	if err != nil {
		if req.Context().Err() == nil {
			d.log.Error("backup ended early", "records", report.Records, "err", err)
		}
		return err
	}
	d.log.Info("backup made", "records", report.Records, "damaged", report.Damaged)
	return nil
}

func (d *Door) checkWholeStore(ctx context.Context) (storage.Report, error) {
	return d.node.Store().Check(ctx)
}

// Backup copies a backup of the node's store to w, and reports what is in it
// once it is known to be whole.
func (c *Client) Backup(ctx context.Context, w io.Writer) (storage.BackupReport, error) {
	resp, err := c.send(ctx, "GET", "/v1/backup", "", nil)
	if err != nil {
		return storage.BackupReport{}, err
	}
	defer resp.Body.Close()
	report, err := storage.VerifyBackup(io.TeeReader(resp.Body, w))
	if errors.Is(err, storage.ErrBackup) {
		err = fmt.Errorf("%w: the node's log says why", err)
	}
	return report, err
}

// CheckStore has the node read its whole store again.
func (c *Client) CheckStore(ctx context.Context) (storage.Report, error) {
	return call[storage.Report](ctx, c, "GET", "/v1/store/check", nil)
}
