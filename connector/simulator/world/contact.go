package world

import "time"

// The channels, by the names of the configuration.
const (
	ChannelVoice     = "voice"
	ChannelSMS       = "sms"
	ChannelWhatsApp  = "whatsapp"
	ChannelWebchat   = "webchat"
	ChannelMessenger = "messenger"
	ChannelEmail     = "email"
)

// Kind is how a contact goes.
type Kind string

// The kinds of contact.
const (
	Answered   Kind = "answered"    // an agent takes it and finishes it
	Abandoned  Kind = "abandoned"   // the customer leaves before an agent takes it
	Transfer   Kind = "transfer"    // two agents: two reservations by voice, two tasks in writing
	Outbound   Kind = "outbound"    // a call by an agent
	TimedOut   Kind = "timed_out"   // the workflow gives it up
	Expired    Kind = "expired"     // the task lives longer than it may
	ThreadOnly Kind = "thread_only" // written messages that no task was made of
	Forgotten  Kind = "forgotten"   // taken, never finished, removed by the system after 24 hours
)

// Oddity is what is wrong with a contact's records.
type Oddity string

// The oddities; "" is none.
const (
	OddSharedPhone     Oddity = "shared_phone"     // calls from one switchboard, shown with two people's emails in turn, or with none
	OddWithheld        Oddity = "withheld"         // the caller is "anonymous", "client:…" or "sip:…"
	OddNotJSON         Oddity = "not_json"         // attributes that are no JSON
	OddEmptyAttributes Oddity = "empty_attributes" // attributes are {}
	OddNumberName      Oddity = "number_name"      // the name is the phone number
	OddBadName         Oddity = "bad_name"         // the name has NUL, half a surrogate pair or bytes that are not UTF-8
	OddInvalidPhone    Oddity = "invalid_phone"    // the caller is a number that no phone has
	OddBlanked         Oddity = "blanked"          // a plugin empties attributes.conversations after completion
	OddUnknownEvents   Oddity = "unknown_events"   // event types and fields that nobody documents
	OddNoIdentity      Oddity = "no_identity"      // attributes without any address or name
	OddMixedScalars    Oddity = "mixed_scalars"    // numbers as texts and texts as numbers inside attributes
	OddForgotten       Oddity = "forgotten"        // Kind Forgotten
)

// Oddities are all of them, in the order in which an odd world goes through them, one every twelfth contact.
func Oddities() []Oddity {
	return []Oddity{
		OddSharedPhone, OddWithheld, OddNotJSON, OddBlanked, OddNumberName, OddSharedPhone, OddBadName, OddInvalidPhone,
		OddEmptyAttributes, OddUnknownEvents, OddNoIdentity, OddSharedPhone, OddMixedScalars, OddForgotten,
	}
}

// SharedPhone is the switchboard of OddSharedPhone. The calls from it are, in turn, those of customer 0,
// of customer 1, and of nobody known.
const SharedPhone = "+33140000001"

// Contact is one time that a customer and the centre were in touch: a group in the words of the design,
// unless its conversation goes on in a later contact.
type Contact struct {
	ID           int
	Customer     int // index into World.Customers, or Unknown
	Kind         Kind
	Channel      string
	Direction    string // "inbound" or "outbound"
	StartedAt    time.Time
	Tasks        []int // contact tasks in the order of creation, then the survey task if any
	Conversation int   // index into World.Conversations, or -1 for voice
	Odd          Oddity
}

// Shown is what a task's records show of the customer, by the rules of thumb of facts/twilio.md 3.5.
type Shown struct {
	Address  string // "from" or "customerAddress" exactly as in the attributes; "" if neither is there
	Phone    string // E.164, where Address or the attributes hold a valid one
	Email    string
	Identity string // of web chat; a Messenger address is only in Address
	Name     string // exactly as in the attributes
	LinkedIn string // which of LinkAttributes, LinkCustomers, LinkForm holds what Address does not; "" if nothing
}

// Where a task's attributes hold an email or phone beside the address.
const (
	LinkAttributes = "attributes"          // attributes.email, attributes.phone
	LinkCustomers  = "customers"           // attributes.customers.email, .phone
	LinkForm       = "pre_engagement_data" // attributes.pre_engagement_data.email, from the form before a web chat
)

// InteractionSID returns the SID of a contact's interaction; "" for voice and for threads without tasks.
func (w *World) InteractionSID(contact int) string {
	c := &w.Contacts[contact]
	if c.Conversation < 0 || len(c.Tasks) == 0 {
		return ""
	}
	return w.sids.of(prefixInteraction, uint64(contact))
}

// InteractionChannelSID returns the SID of the interaction's one channel.
func (w *World) InteractionChannelSID(contact int) string {
	return w.sids.of(prefixChannel, uint64(contact))
}

// InviteSID returns the SID of the invite that made a task; a transfer in writing is a second invite.
func (w *World) InviteSID(task int) string { return w.sids.of(prefixInvite, uint64(task)) }

// MemberSID returns the SID of a participant of an interaction's channel: 0 is the customer, then the agents.
func (w *World) MemberSID(contact, n int) string {
	return w.sids.of(prefixMember, uint64(contact)<<8|uint64(n))
}

// CallSID returns the SID of the customer's leg of a voice contact.
func (w *World) CallSID(contact int) string { return w.sids.of(prefixCall, callNumber(contact)) }

// callNumber numbers the customer's leg of a voice contact; the agent's is the next.
func callNumber(contact int) uint64 { return uint64(contact) << 1 }

// ContactByInteraction finds the contact of an interaction.
func (w *World) ContactByInteraction(sid string) (int, bool) {
	n, ok := w.sids.number(prefixInteraction, sid)
	if !ok || n >= uint64(len(w.Contacts)) || w.InteractionSID(int(n)) == "" {
		return 0, false
	}
	return int(n), true
}
