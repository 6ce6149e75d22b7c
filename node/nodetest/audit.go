package nodetest

import (
	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// Audit returns the directory of an organisation's audit journal.
func (f *Federation) Audit(org string) string { return f.member(org).audit }

// openJournal opens a member's journal, unless there is a crowd.
func (f *Federation) openJournal(m *member) (err error) {
	if len(f.graph.orgs) <= manyOrgs {
		m.journal, err = journal.Open(m.audit, journal.Options{Log: f.log(m.name)})
	}
	return err
}

// closeJournal closes it, after the node.
func (m *member) closeJournal() error {
	if m.journal == nil {
		return nil
	}
	return m.journal.Close()
}

// record has a node note what it does, and its door show it.
func (m *member) record(c *node.Config) {
	if m.journal != nil {
		c.Audit, c.AuditSync, c.History = m.journal.Append, m.journal.AppendSync, m.journal.List
	}
}

// records is how a member's door reaches its journal.
func (m *member) records() api.Journal { return api.Journal{Open: m.journal} }
