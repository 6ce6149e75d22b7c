package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// issueFlags are what submit and import share: how something is said.
type issueFlags struct {
	tlp         protocol.TLP
	pap         protocol.PAP
	community   string
	confidence  int
	valid       api.Duration
	tags        []string
	description string
}

func (f *issueFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	labelFlag(cmd, &f.tlp, "tlp", "who may see it: clear, green, amber, amber+strict or red")
	flags.Var((*papValue)(&f.pap), "pap", "what may be done with it: clear, green, amber or red")
	flags.StringVar(&f.community, "community", "", "which one, where the node is in more than one")
	flags.IntVar(&f.confidence, "confidence", 0, "how sure you are, 0 to 100")
	flags.TextVar(&f.valid, "valid", api.Duration(0), "how long it counts, such as 30d or 12h (default: the lifetime of its type)")
	flags.Lookup("valid").DefValue = "" // the help has said it
	flags.StringArrayVar(&f.tags, "tag", nil, "a tag; repeat for more")
	flags.StringVar(&f.description, "description", "", "one sentence for who reads it")
}

// sure is the confidence, nil when none was given; it checks what goes with it.
func (f *issueFlags) sure(cmd *cobra.Command) (*int, error) {
	if cmd.Flags().Changed("valid") && f.valid <= 0 {
		return nil, usagef("--valid: longer than nothing, such as 30d or 12h")
	}
	if !cmd.Flags().Changed("confidence") {
		return nil, nil
	}
	if f.confidence < 0 || f.confidence > 100 {
		return nil, usagef("--confidence %d: 0 to 100", f.confidence)
	}
	return &f.confidence, nil
}

// labelFlag adds a flag for a TLP label.
func labelFlag(cmd *cobra.Command, label *protocol.TLP, name, usage string) {
	cmd.Flags().Var((*labelValue)(label), name, usage)
	complete(cmd, name, "clear", "green", "amber", "amber+strict", "red")
}

// complete tells the shell what a flag takes.
func complete(cmd *cobra.Command, name string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // no such flag: a mistake in this program
	}
}

// labelValue and papValue are labels as flags. Both are empty until set.
type labelValue protocol.TLP

func (v *labelValue) String() string { return protocol.TLP(*v).String() }
func (v *labelValue) Type() string   { return "label" }

func (v *labelValue) Set(s string) error {
	label, err := protocol.ParseTLP(s)
	*v = labelValue(label)
	return err
}

type papValue protocol.PAP

func (v *papValue) String() string { return protocol.PAP(*v).String() }
func (v *papValue) Type() string   { return "level" }

func (v *papValue) Set(s string) error {
	level, err := protocol.ParsePAP(s)
	*v = papValue(level)
	return err
}

// audience are flags of labels above GREEN.
type audience struct {
	group string
	to    []string
}

func (a *audience) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.group, "group", "", "sharing group that may see it (amber and above)")
	cmd.Flags().StringArrayVar(&a.to, "to", nil, "organisation that may see it (amber and above), for red ORG/PERSON; repeat for more")
}

// check refuses an audience that a label would not keep to: what is said so
// must never go wider than was meant.
func (a *audience) check(label protocol.TLP) error {
	if a.group == "" && len(a.to) == 0 {
		return nil
	}
	if label < protocol.Amber {
		who := strings.Join(append(a.to, a.group), ", ")
		return hinted(usagef("%s goes to more than %s: --to and --group belong to amber and above", label.Label(), strings.Trim(who, ", ")),
			"give --tlp amber, or leave them out")
	}
	return nil
}
