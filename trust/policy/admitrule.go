package policy

// An AdmitRule says what becomes of bulletins of others.
type AdmitRule struct {
	Name, When string
	Do         Action // Admit, Hold, Decline
	Why        string // "" where it explains itself
}

func (f *form) admitRules(p *Policy) {
	if !f.reading() {
		for _, r := range p.Admits {
			f.heading("admit", r.Name, r.When)
			f.write("do", quote(string(r.Do)), "")
			f.optional("why", r.Why)
		}
		return
	}
	tables := f.rules("admit")
	if len(tables) == 0 {
		return
	}
	l := f.language(arrivalWords())
	if l == nil {
		return
	}
	var order order
	for i, table := range tables {
		var r AdmitRule
		in := f.rule("admit", i, table)
		if in.need("name", &r.Name, checkRuleName, `name = "strangers"`) {
			in.unique(r.Name)
		}
		c := in.condition(&r.When, l)
		order.add(in, r.Name, c)
		in.need("do", (*string)(&r.Do), oneOf(string(Admit), string(Hold), string(Decline)), `do = "hold"`)
		in.text("why", &r.Why, checkSentence, "")
		in.finish()
		p.Admits = append(p.Admits, r)
		if c != nil {
			p.admits = append(p.admits, *c)
		}
	}
}
