package protocol

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// readFrame reads the field join, answer or sync, whichever is there.
func readFrame(in map[string]string) (map[string]string, error) {
	switch {
	case in["request"] != "":
		return nil, rewritten[JoinRequest](blob(in, "request"))
	case in["answer"] != "":
		return nil, rewritten[JoinAnswer](blob(in, "answer"))
	}
	return nil, rewritten[SyncFrame](blob(in, "sync"))
}

// rewritten reads a frame and reports when it is written otherwise.
func rewritten[T frame](b []byte) error {
	var framed, again bytes.Buffer
	if err := WriteBytes(&framed, b); err != nil {
		return err
	}
	sent := bytes.Clone(framed.Bytes())
	v, err := ReadFrame[T](&framed, MaxFrame)
	if err != nil {
		return err
	}
	if err := WriteFrame(&again, v); err != nil {
		return err
	}
	if !bytes.Equal(again.Bytes(), sent) {
		return fmt.Errorf("written as other bytes")
	}
	return nil
}

func request(change func(*JoinRequest)) field {
	j := JoinRequest{Community: hashOf("community"), Secret: make([]byte, 16), Certificate: certOf(3, 4), Name: "hospital", Addrs: []string{"/ip4/198.51.100.9/tcp/4001"}}
	change(&j)
	return bytesField("request", encode(j))
}

func answer(j JoinAnswer) field { return bytesField("answer", encode(j)) }

func message(f SyncFrame) field { return bytesField("sync", encode(f)) }

func lacksOf(change func(*Lacks)) field {
	digest := hashOf("summaries")
	l := Lacks{Total: 40, Sample: []Lack{{hashOf("a"), LackDeclined}, {hashOf("b"), LackWanted}}}
	slices.SortFunc(l.Sample, func(a, b Lack) int { return a.ID.Compare(b.ID) })
	change(&l)
	return message(SyncFrame{Digest: &digest, Lacks: &l})
}

func summaryOf(change func(*Summary)) field {
	h := bodied(green())
	s := Summary{
		Stream: h.Stream(),
		Heads:  []Head{{Position{5 << 32, 9}, hashOf("branch")}, {Position{7 << 32, 3}, hashOf("head")}},
		Gaps:   []Range{{Position{}, Position{5 << 32, 4}}},
	}
	change(&s)
	return message(SyncFrame{Summary: &s})
}

func wantOf(change func(*Want)) field {
	w := Want{Stream: hashOf("stream"), Ranges: []Range{{Position{}, Position{7 << 32, 3}}}, Bodies: []ID{hashOf("bulletin")}}
	change(&w)
	return message(SyncFrame{Want: &w})
}

func frameVectors() []vector {
	return slices.Concat(joinVectors(), summaryVectors(), wantVectors(), syncVectors())
}

func joinVectors() []vector {
	charter := charterOf("isac", 1).Encode()
	return []vector{
		accept("join with an invite", request(func(*JoinRequest) {})),
		accept("join with a certificate alone", request(func(j *JoinRequest) { j.Secret, j.Addrs = nil, nil })),
		refuse("join with a secret of 15 bytes", "16 bytes or none", "16 bytes", request(func(j *JoinRequest) { j.Secret = make([]byte, 15) })),
		refuse("join of no community", "it names a community", "community", request(func(j *JoinRequest) { j.Community = ID{} })),
		refuse("join without name", "a name has 1 to 64 characters", "name", request(func(j *JoinRequest) { j.Name = "" })),
		refuse("join with a bell in the name", "a name has printable characters", "cannot be shown", request(func(j *JoinRequest) { j.Name = "hospital\a" })),
		refuse("join with a false certificate", "the certificate's signature", "wrong signature", request(func(j *JoinRequest) { j.Certificate = misCertified() })),
		refuse("join with 17 addresses", "at most 16", "17 addresses", request(func(j *JoinRequest) { j.Addrs = make([]string, 17) })),
		accept("answer", answer(JoinAnswer{Charter: charter, Count: 3})),
		accept("refusal", answer(JoinAnswer{Refused: "the invite was used"})),
		refuse("an empty answer", "a charter or a refusal", "neither", bytesField("answer", []byte{0xa0})),
		refuse("a refusal with a charter", "a charter or a refusal", "neither", answer(JoinAnswer{Refused: "no", Charter: charter})),
		refuse("a refusal with bulletins", "nothing follows a refusal", "neither", answer(JoinAnswer{Refused: "no", Count: 1})),
		refuse("a long refusal", "at most 512 bytes", "neither", answer(JoinAnswer{Refused: strings.Repeat("a", maxReason+1)})),
	}
}

func summaryVectors() []vector {
	var heads []Head
	var gaps []Range
	for i := range uint64(65) {
		heads = append(heads, Head{Position{1, i + 1}, ID{}})
		gaps = append(gaps, Range{Position{1, i}, Position{1, i + 1}})
	}
	amber := bodied(labelled(Amber, toOrg(3)))
	return []vector{
		accept("summary", summaryOf(func(*Summary) {})),
		accept("summary of a stream above GREEN", summaryOf(func(s *Summary) { s.Stream = amber.Stream() })),
		accept("summary with two heads at one place", summaryOf(func(s *Summary) {
			s.Heads = []Head{{Position{1, 1}, ID{1}}, {Position{1, 1}, ID{2}}}
		})),
		refuse("summary without heads", "1 to 64 heads", "0 heads", summaryOf(func(s *Summary) { s.Heads = []Head{} })),
		refuse("summary with null heads", "1 to 64 heads", "0 heads", summaryOf(func(s *Summary) { s.Heads = nil })),
		refuse("summary with 65 heads", "1 to 64 heads", "65 heads", summaryOf(func(s *Summary) { s.Heads = heads })),
		refuse("summary with heads out of order", "heads are in the order of position and id", "sorted", summaryOf(func(s *Summary) { slices.Reverse(s.Heads) })),
		refuse("summary with a head of number 0", "seq starts at 1", "a head at position 0", summaryOf(func(s *Summary) { s.Heads[0].Position.Seq = 0 })),
		refuse("summary with a head of epoch 0", "an epoch starts at 1", "of epoch 0", summaryOf(func(s *Summary) { s.Heads[0].Position.Epoch = 0 })),
		refuse("summary with 65 gaps", "at most 64 gaps", "65 ranges", summaryOf(func(s *Summary) { s.Gaps = gaps })),
		refuse("summary with a gap of nothing", "a range begins before it ends", "range", summaryOf(func(s *Summary) { s.Gaps[0].To = s.Gaps[0].From })),
		refuse("summary of kind 3", "there is no kind 3", "kind(3)", summaryOf(func(s *Summary) { s.Stream.Kind = 3 })),
		refuse("summary of no node", "not a key", "small order", summaryOf(func(s *Summary) { s.Stream.Node = Node{} })),
		refuse("summary of GREEN without community", "GREEN is of one community", "without a community", summaryOf(func(s *Summary) { s.Stream.Community = ID{} })),
	}
}

func wantVectors() []vector {
	var ranges []Range
	for i := range uint64(65) {
		ranges = append(ranges, Range{Position{1, i}, Position{1, i + 1}})
	}
	return []vector{
		accept("want", wantOf(func(*Want) {})),
		accept("want of bodies alone", wantOf(func(w *Want) { w.Stream, w.Ranges = ID{}, nil })),
		accept("want of nothing", wantOf(func(w *Want) { *w = Want{} })),
		refuse("want of ranges in no stream", "ranges are of a stream", "want", wantOf(func(w *Want) { w.Stream = ID{} })),
		refuse("want of a stream without ranges", "ranges are of a stream", "want", wantOf(func(w *Want) { w.Ranges = nil })),
		refuse("want of 65 ranges", "at most 64 ranges", "65 ranges", wantOf(func(w *Want) { w.Ranges = ranges })),
		refuse("want of 257 bodies", "at most 256 bodies", "257 bodies", wantOf(func(w *Want) { w.Bodies = make([]ID, 257) })),
		refuse("want of a range that ends before it begins", "a range begins before it ends", "range", wantOf(func(w *Want) {
			w.Ranges[0].From, w.Ranges[0].To = w.Ranges[0].To, w.Ranges[0].From
		})),
	}
}

func syncVectors() []vector {
	digest := hashOf("summaries")
	return []vector{
		accept("digest", message(SyncFrame{Digest: &digest})),
		accept("bulletin", message(SyncFrame{Bulletin: fixed(green(), indicator(1)).HeaderOnly().Wire()})),
		accept("end", message(SyncFrame{End: &End{}})),
		accept("refused", message(SyncFrame{Refused: "too many sessions"})),
		refuse("an empty frame", "a frame is one message", "0 messages", message(SyncFrame{})),
		refuse("two messages", "a frame is one message", "2 messages", message(SyncFrame{Digest: &digest, End: &End{}})),
		refuse("an empty bulletin", "an absent field is left out", "canonical", bytesField("sync", []byte{0xa1, 4, 0x40})),
		accept("end of an answer with a rest", message(SyncFrame{End: &End{Rest: []Range{{Position{}, Position{1, 2}}}}})),
		refuse("an end with a rest of nothing", "a range begins before it ends", "range", message(SyncFrame{End: &End{Rest: []Range{{Position{1, 2}, Position{1, 2}}}}})),
		refuse("an end that says something else", "there is no key 2", "unknown", bytesField("sync", []byte{0xa1, 5, 0xa1, 2, 0})),
		refuse("an unknown message", "key 9", "unknown", bytesField("sync", []byte{0xa1, 9, 0xa0})),
		accept("a sealed bulletin", message(SyncFrame{Sealed: &Sealed{hashOf("bulletin"), []byte{1}, []byte{2}}})),
		refuse("a sealed bulletin without id", "it names the bulletin", "no id", message(SyncFrame{Sealed: &Sealed{Enc: []byte{1}, Text: []byte{2}}})),
		accept("digest with lacks", lacksOf(func(*Lacks) {})),
		accept("digest with lacks not named", lacksOf(func(l *Lacks) { l.Sample = nil })),
		refuse("lacks without a digest", "lacks go with a digest", "goes with a digest", message(SyncFrame{End: &End{}, Lacks: &Lacks{Total: 1}})),
		refuse("no lacks", "none is said by leaving them out", "none of none", lacksOf(func(l *Lacks) { *l = Lacks{} })),
		refuse("more lacks than there are", "the sample is of the total", "2 of 1", lacksOf(func(l *Lacks) { l.Total = 1 })),
		refuse("lacks out of order", "sorted by id", "sorted by id", lacksOf(func(l *Lacks) { l.Sample[0], l.Sample[1] = l.Sample[1], l.Sample[0] })),
		refuse("a lack without reason", "reasons are 1 to 5", "reason 0", lacksOf(func(l *Lacks) { l.Sample[0].Why = 0 })),
		refuse("a lack of reason 6", "reasons are 1 to 5", "reason 6", lacksOf(func(l *Lacks) { l.Sample[0].Why = 6 })),
		refuse("a long refusal in sync", "at most 512 bytes", "long refusal", message(SyncFrame{Refused: strings.Repeat("a", maxReason+1)})),
	}
}
