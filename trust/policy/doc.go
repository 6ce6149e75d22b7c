// Package policy reads the operator's file policy.toml: whom to believe how far,
// what is let in, what is shared with whom, and what may act. Bytes go in and a
// [Policy] comes out; it opens no file, reads no clock and knows no keys. Names
// of organisations and groups are texts until [Policy.Bind] looks them up.
//
// # The file
//
// TOML 1.0, at most 256 KiB. Every key may be left out, and an empty file is
// [Default]; [Policy.Show] writes the effective policy with a comment at each
// key. Unknown keys, wrong types, numbers out of range and combinations that
// cannot hold are refused, all at once, each as a [Fault] with line, column and
// what to do. Durations are texts such as "30d", "12h" or "1d12h" (d, h, m, s),
// sizes such as "256 MiB". A complete example:
//
//	# Organisations that AMBER may be passed on to, for their own protection.
//	clients = ["branch-office"]
//
//	# How far others are believed, 0 to 100, before outcomes move it.
//	[trust]
//	default = 50             # members that nothing below names
//	newcomer = 20            # the most for those you neither named nor confirmed
//
//	[trust.types]
//	url = 40                 # in this observable type, by whoever it is
//
//	[trust.community]
//	isac = 60                # members of a community, before default and types
//
//	[trust.org]              # whoever is named here was chosen by you
//	national-cert = "anchor" # its word alone may block
//	hospital = 80
//	vendor = { level = 60, types = { url = 20, domain-name = 70 } }
//
//	# What others say: the first rule that matches decides, else it is admitted.
//	[[admit]]
//	name = "drills"
//	when = 'bulletin.drill'
//	do = "admit"
//
//	[[admit]]
//	name = "finance-review"
//	when = '"finance" in tags && !org.chosen'
//	do = "hold"              # admit, hold (for a person), decline
//	why = "finance indicators of strangers are read by a person first"
//
//	[[admit]]
//	name = "stale"
//	when = 'bulletin.age > 90 * 24 && org.level < 70'
//	do = "decline"
//	why = "older than three months"
//
//	# What we say: the first rule that matches decides, else it goes to the
//	# audience that the submitter chose.
//	[[share]]
//	name = "own-names"
//	when = 'values.exists(v, v.endsWith("bank.example"))'
//	refuse = "it names our own systems"
//
//	[[share]]
//	name = "juniors"
//	when = 'role == "analyst" && tlp in ["clear", "green"] && count > 100'
//	hold = true              # for a second pair of eyes
//
//	[[share]]
//	name = "finance"
//	when = '"finance" in tags'
//	group = "finance"        # under AMBER; CLEAR, GREEN and RED are refused
//
//	[[share]]
//	name = "medical"
//	when = '"medical" in tags && tlp.startsWith("amber")'
//	to = ["hospital", "national-cert"]
//
//	[[share]]
//	name = "weak"
//	when = 'confidence < 20 && tlp == "clear"'
//	allow = true
//
//	[tiers.alert]
//	score = 30               # analysts are told
//
//	[tiers.block]
//	score = 60               # devices act by themselves, if
//	orgs = 3                 # so many independent organisations say so,
//	anchor = true            # or one anchor
//
//	# For how long a claim is believed after it was last made or sighted.
//	[lifetimes]
//	default = "90d"
//	ipv4-addr = "14d"
//
//	# What no device may ever act on, beside what is built in.
//	[never-block]
//	networks = ["198.51.100.0/24", "2001:db8::/32"]
//	domains = ["bank.example"]
//	values = ["mutex:Global\\updater", "203.0.113.53"]
//	lists = ["warninglists"] # MISP warninglists, relative to this file
//
//	[never-block.min-prefix] # networks wider than these never act
//	ipv4 = 20
//	ipv6 = 40
//
//	# What one author may have us take in a day.
//	[quota]
//	bytes = "128 MiB"
//	indicators = 100000
//
//	[quota.org.national-cert]
//	bytes = "1 GiB"
//	indicators = 1000000
//
//	# For how long bulletins are kept after their issue, or "forever".
//	[retention]
//	clear = "forever"
//	green = "730d"
//	amber = "365d"
//	"amber+strict" = "365d"
//	red = "90d"
//	journal = "1095d"        # the audit journal
//
//	[feeds]
//	tier = "block"           # observe, alert or block, where none is asked for
//	lines = 50000            # the most of one feed; the strongest are kept
//
//	[feeds.change]           # a feed stands still, and an alarm is raised,
//	percent = 30             # when more than 30 % of its lines
//	minimum = 100            # and at least 100 would come or go at once
//	hold-down = "2h"
//
//	[review]
//	roles = ["reviewer"]     # who accepts what is held
//	four-eyes = true         # never whoever submitted it
//	expire = "7d"            # then it is rejected
//	limit = 1000             # the most that is held at once
//
//	[audit]
//	enabled = true
//	tokens = true            # also the use of tokens
//
// # Conditions
//
// The text of "when" is CEL (Common Expression Language), as in Kubernetes:
// comparisons, && || !, in, size, contains, startsWith, endsWith, matches (RE2,
// written out), has, all, exists, exists_one, filter, map, arithmetic and
// conversions. There are no times, no extensions, and nothing that reaches
// outside. A condition gives true or false. Fields of admit rules ([Arrival]):
//
//	bulletin.tlp         text    clear, green, amber, amber+strict, red
//	bulletin.pap         text    "" (not stated), clear, green, amber, red
//	bulletin.kind        text    objects or statements
//	bulletin.community   text    its name here, "" above GREEN
//	bulletin.drill       bool
//	bulletin.count       number  objects in it
//	bulletin.age         number  whole hours since it was issued
//	org.name             text    the author, as this node calls it
//	org.level            number  how far it is believed, 0 to 100
//	org.anchor           bool
//	org.chosen           bool    you gave it a level or confirmed its name
//	org.introduced_by    list    of names
//	from                 text    who handed it over
//	types                list    observable types in it: ipv4-addr, url, sha256 ...
//	tags                 list
//
// Fields of share rules ([Submission]):
//
//	tlp, pap, community, drill, count, types, tags    as above
//	confidence           number  0 to 100
//	values               list    the values of its observables
//	person, role         text    who submits: person of the token, and its role
//	group, to            text, list    the audience that was asked for
//
// Costs are bounded in CEL's own units. A condition has at most 4,096 bytes and
// two loops within each other; one whose worst input would cost over 10 million
// units is refused, one that takes over a million on some input fails, and so do
// all rules together over four million. Lists are read up to 64 types, 1,024
// tags, 4,096 values. Whatever fails or is larger falls in the safe direction:
// what comes in is held, what would go out is refused, and the ruling names the
// rule, or "limit".
//
// A rule that always or never matches whatever the input is found where that
// shows without any, and so are comparisons with words that no field ever has
// (tlp == "orange") and rules behind one that always matches. A share rule with
// group or to must be able to match a label that names such recipients.
//
// # Decision tables
//
// [RunTable] asks a policy a table, one case a line, blanks as one likes, # for
// comments, "quotation marks" around what holds a blank or a comma:
//
//	admit tlp=green org=hospital types=ipv4-addr tags=finance  ->  admit
//	admit tlp=green org=lab chosen=false tags=finance,banking  ->  hold rule=finance-review
//	share tlp=amber tags=finance                               ->  group finance rule=finance
//	share tlp=amber tags=medical                               ->  to hospital,national-cert
//	share tlp=green tags=finance                               ->  refuse
//	trust org=vendor type=url                                  ->  20
//	trust org=lab community=isac chosen=true                   ->  60 rule=trust.community.isac
//
//	admit  tlp pap kind community drill count age types tags from org level anchor chosen introduced-by
//	share  tlp pap community drill count confidence types tags values person role group to
//	trust  org community chosen type
//
// An outcome is admit, hold or decline; allow, hold, refuse, group NAME or to
// NAME,NAME; or a level or anchor. rule=NAME says which rule must have decided,
// for trust which key. Of an author, level, anchor, chosen and from are what the
// policy says, where the case does not.
package policy
