package brevo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getbrevo/brevo-go/lib"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const (
	// maxAttributes is how many attributes an account may have, on every plan
	// (facts/brevo.md 2).
	maxAttributes = 200
	// maxOption is the longest option of a choice.
	maxOption = 200
	// defaultFolder holds the lists that are made where the plan names none.
	defaultFolder = "Twilio Flex"
)

// Reasons of omissions in a plan.
const (
	reasonQuota         = "attribute quota of 200 is used up"
	reasonAttributeName = "attribute name not allowed"
	reasonNoValues      = "attribute needs its values: make it in Brevo"
	reasonNotCreated    = "refused by Brevo when it was to be made"
)

// Plan is what an account must have before contacts are written to it.
type Plan struct {
	Attributes []AttributeSpec
	// Lists by id ("32") or by name; a name that is missing is made.
	Lists []string
	// Folder takes the lists that are made; default "Twilio Flex".
	Folder string
	// DryRun plans and makes nothing.
	DryRun bool
}

// AttributeSpec is an attribute that a rule writes to.
type AttributeSpec struct {
	// Name in any case; identifiers need no attribute and are passed over.
	Name string
	// Type is text (also when empty), date, float, boolean, category or
	// multiple-choice.
	Type string
	// Values are the labels of a choice that has to be made.
	Values []string
	// Rule is the place in the configuration that asks for it.
	Rule string
}

// Action is what Provision did about one thing, or would do in a dry run.
type Action string

// The actions.
const (
	Exists  Action = "exists"
	Create  Action = "create" // in a dry run
	Created Action = "created"
	// Off: values for it are left out, the rest goes on.
	Off Action = "off"
)

// Step is one line of a Report.
type Step struct {
	// Kind is attribute, list or folder.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Type of an attribute: as asked for, or as the account has it when it differs.
	Type   string `json:"type,omitempty"`
	Action Action `json:"action"`
	// Reason says why it is off.
	Reason string `json:"reason,omitempty"`
}

// Report is what Provision found and did.
type Report struct {
	Steps []Step
	// Warnings are what is off, each with its reason and rule.
	Warnings []record.Omission
}

// Missing says whether the account lacks something that could be made.
func (r *Report) Missing() bool {
	return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Action == Create })
}

// Provision reads the account's attributes, lists and, where a list is missing,
// folders, and makes what is missing. An attribute that has another type, cannot
// be written or cannot be made is reported as off; all else goes on. An error
// means that the account could not be read or that a call ended without a clear
// answer; the report then has what was done before, and Provision may be repeated.
func (d *Destination) Provision(ctx context.Context, plan Plan) (Report, error) {
	p := &provisioning{d: d, plan: plan}
	acc, err := d.fetchAccount(ctx)
	if err != nil {
		return p.report, err
	}
	d.account.Store(acc)
	if err := p.attributes(ctx, acc); err != nil {
		return p.report, err
	}
	if err := p.lists(ctx, acc); err != nil {
		return p.report, err
	}
	if !p.changed {
		return p.report, nil
	}
	if acc, err = d.fetchAccount(ctx); err != nil {
		return p.report, err
	}
	d.account.Store(acc)
	return p.report, nil
}

// provisioning is one run of Provision.
type provisioning struct {
	d       *Destination
	plan    Plan
	report  Report
	changed bool
	// foldered says that the folder of missing lists was looked for in a dry run.
	foldered bool
}

// step notes a line, and a warning for what is off.
func (p *provisioning) step(s Step, rule string) {
	p.report.Steps = append(p.report.Steps, s)
	if s.Action == Off {
		p.report.Warnings = append(p.report.Warnings, record.Omission{What: s.Kind + " " + s.Name, Reason: s.Reason, Rule: rule})
	}
}

// attributes makes the missing ones.
func (p *provisioning) attributes(ctx context.Context, acc *account) error {
	count := len(acc.attributes)
	seen := map[string]bool{}
	for _, spec := range p.plan.Attributes {
		spec.Name, spec.Type = strings.ToUpper(spec.Name), cmp.Or(spec.Type, "text")
		if _, identifies := identifierRule(spec.Name); seen[spec.Name] || identifies {
			continue
		}
		seen[spec.Name] = true
		s := planAttribute(spec, acc, count)
		if s.Action == Create {
			count++
		}
		if s.Action == Create && !p.plan.DryRun {
			var err error
			if s, err = p.createAttribute(ctx, spec, s); err != nil {
				return err
			}
		}
		p.step(s, spec.Rule)
	}
	return nil
}

// planAttribute says what is to be done about an attribute when the account has
// count of them.
func planAttribute(spec AttributeSpec, acc *account, count int) Step {
	s := Step{Kind: "attribute", Name: spec.Name, Type: spec.Type, Action: Off}
	choice := spec.Type == "category" || spec.Type == "multiple-choice"
	def, known := acc.attributes[spec.Name]
	switch {
	case known:
		if s.Reason = unfit(def, true, spec.Type); s.Reason == "" {
			s.Action = Exists
		}
		s.Type = def.kind
	case !isAttributeName(spec.Name):
		s.Reason = reasonAttributeName
	case choice && (len(spec.Values) == 0 || slices.ContainsFunc(spec.Values, func(v string) bool { return v == "" || len(v) > maxOption })):
		s.Reason = reasonNoValues
	case !slices.Contains([]string{"text", "date", "float", "boolean", "category", "multiple-choice"}, spec.Type):
		s.Reason = reasonOtherType
	case count >= maxAttributes:
		s.Reason = reasonQuota
	default:
		s.Action = Create
	}
	return s
}

// isAttributeName says whether a name may be made. Brevo documents upper case
// only (facts/brevo.md 2), and brevo-go puts the name into the path as it is.
func isAttributeName(s string) bool {
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// createAttribute makes one attribute.
func (p *provisioning) createAttribute(ctx context.Context, spec AttributeSpec, s Step) (Step, error) {
	category, body := "normal", lib.CreateAttribute{Type_: spec.Type}
	switch spec.Type {
	case "category":
		category = "category"
		for i, label := range spec.Values {
			body.Enumeration = append(body.Enumeration, lib.CreateAttributeEnumeration{Value: int32(i + 1), Label: label})
		}
	case "multiple-choice":
		body.MultiCategoryOptions = spec.Values
	}
	op := "POST /contacts/attributes/" + category + "/" + spec.Name
	resp, err := p.d.sdk.ContactsApi.CreateAttribute(ctx, category, spec.Name, body)
	if err != nil {
		return p.refused(s, p.d.sdkError(ctx, op, write, resp, err))
	}
	p.changed, s.Action = true, Created
	return s, nil
}

// refused turns a clear refusal into a step that is off and passes other
// failures on.
func (p *provisioning) refused(s Step, err *failure.Error) (Step, error) {
	if err.Reason != failure.Invalid {
		return s, err
	}
	s.Action, s.Reason = Off, reasonNotCreated
	return s, nil
}

// lists makes the missing ones that have a name.
func (p *provisioning) lists(ctx context.Context, acc *account) error {
	seen := map[string]bool{}
	for _, ref := range p.plan.Lists {
		if seen[strings.ToLower(ref)] {
			continue
		}
		seen[strings.ToLower(ref)] = true
		s := Step{Kind: "list", Name: ref, Action: Exists}
		if _, ok := acc.list(ref); !ok {
			var err error
			if s, err = p.missingList(ctx, s); err != nil {
				return err
			}
		}
		p.step(s, "")
	}
	return nil
}

// missingList makes a list; one that is named by an id cannot be made.
func (p *provisioning) missingList(ctx context.Context, s Step) (Step, error) {
	if _, err := strconv.ParseInt(s.Name, 10, 64); err == nil {
		s.Action, s.Reason = Off, reasonUnknownList
		return s, nil
	}
	s.Action = Create
	if p.plan.DryRun {
		return s, p.planFolder(ctx)
	}
	folder, err := p.folder(ctx)
	if err != nil {
		return s, err
	}
	const op = "POST /contacts/lists"
	made, resp, err := p.d.sdk.ContactsApi.CreateList(ctx, lib.CreateList{Name: s.Name, FolderId: folder})
	if err != nil {
		return p.refused(s, p.d.sdkError(ctx, op, write, resp, err))
	}
	if made.Id <= 0 {
		return s, unreadable(op, write, resp.StatusCode)
	}
	p.changed, s.Action = true, Created
	return s, nil
}

// planFolder says, once, whether the folder of missing lists would be made, too.
func (p *provisioning) planFolder(ctx context.Context) error {
	if p.foldered {
		return nil
	}
	p.foldered = true
	name := cmp.Or(p.plan.Folder, defaultFolder)
	have, err := p.d.fetchNamed(ctx, "folders")
	if err != nil {
		return err
	}
	if _, ok := byName(have, name); !ok {
		p.step(Step{Kind: "folder", Name: name, Action: Create}, "")
	}
	return nil
}

// folder returns the id of the plan's folder, making it if need be.
func (p *provisioning) folder(ctx context.Context) (int64, error) {
	name := cmp.Or(p.plan.Folder, defaultFolder)
	have, err := p.d.fetchNamed(ctx, "folders")
	if err != nil {
		return 0, err
	}
	if id, ok := byName(have, name); ok {
		return id, nil
	}
	const op = "POST /contacts/folders"
	made, resp, err := p.d.sdk.ContactsApi.CreateFolder(ctx, lib.CreateUpdateFolder{Name: name})
	if err != nil {
		return 0, fmt.Errorf("make folder %q: %w", name, p.d.sdkError(ctx, op, write, resp, err))
	}
	if made.Id <= 0 {
		return 0, unreadable(op, write, resp.StatusCode)
	}
	p.step(Step{Kind: "folder", Name: name, Action: Created}, "")
	return made.Id, nil
}
