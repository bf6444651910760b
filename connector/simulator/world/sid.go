package world

// Prefixes of the SIDs that the world hands out; facts/twilio.md 0.
const (
	prefixAccount      = "AC"
	prefixKey          = "SK"
	prefixWorkspace    = "WS"
	prefixTask         = "WT"
	prefixReservation  = "WR"
	prefixWorker       = "WK"
	prefixQueue        = "WQ"
	prefixWorkflow     = "WW"
	prefixActivity     = "WA"
	prefixTaskChannel  = "TC"
	prefixEvent        = "EV"
	prefixConversation = "CH"
	prefixMessage      = "IM"
	prefixParticipant  = "MB"
	prefixService      = "IS"
	prefixMessaging    = "MG"
	prefixInteraction  = "KD"
	prefixChannel      = "UO"
	prefixMember       = "UT"
	prefixInvite       = "KG"
	prefixTransfer     = "TT"
	prefixFlex         = "GO"
	prefixCall         = "CA"
	prefixConference   = "CF"
	prefixRole         = "RL"
	prefixUnit         = "OU"
	prefixMap          = "MP"
	prefixEnvelope     = "EZ"
	prefixSource       = "AB"
)

const hexDigits = "0123456789abcdef"

// sids makes SIDs that look random, are the same for the same seed, and can be turned back into the
// number they were made of, so that no index from SID to record has to be held in memory.
type sids struct{ seed uint64 }

func (s sids) key(prefix string) uint64 {
	return mix(s.seed ^ uint64(prefix[0])<<8 ^ uint64(prefix[1]))
}

// of returns the SID of the n-th thing of a kind.
func (s sids) of(prefix string, n uint64) string {
	sid := s.bytes(prefix, n)
	return string(sid[:])
}

func (s sids) bytes(prefix string, n uint64) (out [34]byte) {
	key := s.key(prefix)
	high := mix(n + key)
	out[0], out[1] = prefix[0], prefix[1]
	putHex(out[2:18], high)
	putHex(out[18:], mix(high^key))
	return out
}

// number returns what of was given, and false for a SID that this world did not make.
func (s sids) number(prefix, sid string) (uint64, bool) {
	if len(sid) != 34 || sid[:2] != prefix {
		return 0, false
	}
	high, ok := parseHex(sid[2:18])
	low, okLow := parseHex(sid[18:])
	key := s.key(prefix)
	if !ok || !okLow || low != mix(high^key) {
		return 0, false
	}
	return unmix(high) - key, true
}

func putHex(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = hexDigits[v&15]
		v >>= 4
	}
}

func parseHex(text string) (v uint64, ok bool) {
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}

// mix is the finaliser of splitmix64: a bijection that spreads neighbouring numbers over all 64 bits.
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// unmix undoes mix; the factors are the inverses modulo 2^64 of those above.
func unmix(v uint64) uint64 {
	v = (v ^ v>>31 ^ v>>62) * 0x319642b2d24d8ec3
	v = (v ^ v>>27 ^ v>>54) * 0x96de1b173f119089
	v = v ^ v>>30 ^ v>>60
	return v - 0x9e3779b97f4a7c15
}
