// Package score is how far a value is believed, and what may act on it: pure
// arithmetic on what was said, by whom, and on what became of what they said
// before. It reads no clock and no store.
//
// # Words
//
// Evidence is one organisation's word on a value: a claim (it is bad, with a
// confidence of 0 to 100), a sighting (it was met), or that it is harmless. A
// level is what the operator says of an organisation: 0 to 100, or anchor; ours
// counts as an anchor. Whoever was given a level, or a petname after comparing
// fingerprints, is chosen; level 0 is a decision against. All others are
// strangers. An outcome is what became of a word: confirmed, or a false positive.
//
// # Trust
//
// Of an organisation on one type of value, 0 to 100, from the level L and the
// outcomes, c confirmed and f false, both halving every OutcomeHalfLife (30 days):
//
//	up    = min(Up x c, Memory)                              Up 0.5, Memory 20
//	trust = 100 (Strength x L/100 + up) / (Strength + up + Down x f)      10, 8
//	        and never above 1.5 L, nor above 30 for strangers
//
// L is 100 for an anchor, 50 for the chosen without a number (Chosen), 20 for a
// stranger (Newcomer). So one false positive undoes sixteen confirmations, what
// the operator says is where trust returns when outcomes fade, and level 0 stays
// 0. Our own trust is 100. Three false positives (Strikes) of which 5/6 have not faded
// discredit an organisation for the type, whatever its history: it speaks among
// the strangers and answers for nobody. Only our word and that of sound anchors
// proves anything false; chosen organisations confirm a little, strangers prove
// nothing ([Model.Weigh]). Trust never widens what is sent to anybody.
//
// # Voices
//
// A sound organisation (chosen, not discredited) has a voice of its own. A stranger
// speaks by the door it came in by ([Door]): the first stranger on the way whom
// someone chosen introduced; founders who are not chosen share one door per
// community. Where there are several doors it may take any, but a door gives
// one voice: the voices are the matching of strangers to doors that weighs most,
// which adding by descending weight finds, since the sets that fit are those of a
// transversal matroid. Ten thousand behind one introduction are one voice. Who
// came in only by an organisation of level 0, or is a member of nothing, has none.
//
// # Score
//
//	weight    = confidence/100 x trust/100 x 2^(-age / half-life of the type)
//	chosen    = 1 - product (1 - weight) over sound voices
//	strangers = min(StrangersCap/100, 1 - product (1 - weight) over doors)    50
//	doubt     = 1 - product (1 - trust/100) over those who call it harmless, of the
//	            sound and of strangers apart
//	score     = 100 (1 - (1 - chosen)(1 - strangers (1 - doubt of strangers))) (1 - doubt of the sound)
//
// An organisation weighs as much as the strongest of what it said, once. Without
// a confidence it is 50; a sighting is a claim of 85. Age counts from the claim, or
// from the organisation's last sighting. The half-life is half of trust.Lifetime.
// Strangers contradict strangers only, or whoever gets in could clear an attacker.
//
// An organisation's last word holds: calling a value harmless silences what it
// said before, and a later claim, but no sighting, takes it back. That word of our own or
// of a sound anchor is a veto: no alert, no block. A claim of our own answers
// everybody's doubts that are older.
//
// # Tiers
//
//	observe  a claim or sighting stands
//	alert    score from 30
//	block    score from 60, and an anchor speaks, or k = 2 principals do of whom
//	         one is sound; each with a weight of 5 percent (Least) or more
//
// A principal is a chosen organisation that answers for itself or for one of those
// it let in, not for both: it cannot corroborate itself by whom it introduced.
// The founders' door answers for itself.
//
// Never in alert or block: a value on a never-block list, and what nothing but
// drills, RED, PAP above GREEN or no label says. Those restrict the evidence, not the
// value: a PAP:RED claim does not hinder others', and what is said in a drill does
// not touch a value that stands outside of it.
//
// Nothing rises without news except where evidence begins or a false positive ends
// ([Tiers].Again), so a judgement says until when each tier holds ([Tiers.Until]).
// That supposes trust to stay; as outcomes fade it moves within days, and whoever
// keeps judgements asks again once a day and whenever outcomes, levels or members change.
//
// # Limits
//
// 16 doors per stranger beside its own and 16 introducers per door are kept, 64 voices
// of strangers heard, 64 changes of what stands looked ahead: beyond each a value
// is believed less, or left sooner. Times are Unix milliseconds, above zero.
//
// What a liar can still do: two chosen liars who claim the same with enough
// confidence block a value until we or an anchor call it harmless, as does one chosen
// liar beside a stranger whom another let in; and what nobody proves false costs nobody
// anything. Three false positives a month and type are enough to lose one's voice, even
// for an honest feed of thousands: it then alerts at most.
package score
