package world

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Customer is one real person, whatever the records show of them. Empty identifiers are unknown to
// everybody: such a person can never be found by them.
type Customer struct {
	ID        int
	Name      string
	Phone     string // E.164
	Email     string
	Identity  string // of web chat
	Messenger string // page-scoped identity of Messenger
	Tier      string // "", "gold" or "platinum"; shown as the task attribute customer_tier
	AccountID string // shown as the task attribute account_id
}

// Unknown is the customer of a contact whose caller nobody can know.
const Unknown = -1

// crowd is the customers by what they can be reached with, and what is remembered of each while the
// contacts are generated.
type crowd struct {
	phone, email, identity, messenger []int
	seen                              []int         // contacts so far, by customer
	threads                           map[int]int32 // open long-lived thread: customer*2 + (0 sms, 1 whatsapp)
}

func (w *World) moveIn(count int) *crowd {
	random := w.random(streamCustomers, 0)
	people := &crowd{seen: make([]int, count), threads: map[int]int32{}}
	w.Customers = make([]Customer, count)
	for i := range count {
		w.Customers[i] = newCustomer(i, random)
		people.admit(&w.Customers[i])
	}
	return people
}

func newCustomer(i int, random *rand.Rand) Customer {
	first, last := firstNames[random.IntN(len(firstNames))], lastNames[random.IntN(len(lastNames))]
	customer := Customer{ID: i, Name: first + " " + last}
	// The first five have one of each kind, so that the smallest world has them all.
	kind := random.IntN(100)
	if i < 5 {
		kind = []int{90, 90, 0, 65, 90}[i]
	}
	if kind < 60 || kind >= 72 {
		customer.Phone = fmt.Sprintf("+336%08d", 10_000_000+i*7)
	}
	if kind >= 60 {
		customer.Email = fmt.Sprintf("%s.%d@example.com", strings.ToLower(asciiOnly(first)), i)
	}
	if random.IntN(100) < 30 || i < 5 {
		customer.Identity = fmt.Sprintf("visitor-%06d", i)
	}
	if random.IntN(100) < 10 || i == 4 {
		customer.Messenger = fmt.Sprintf("messenger:%d", 5_000_000_000+i)
	}
	switch random.IntN(10) {
	case 0:
		customer.Tier = "platinum"
	case 1, 2:
		customer.Tier = "gold"
	}
	if random.IntN(3) == 0 {
		customer.AccountID = fmt.Sprintf("A-%05d", i)
	}
	return customer
}

func asciiOnly(text string) string {
	return strings.Map(func(r rune) rune {
		if r > 127 {
			return 'x'
		}
		return r
	}, text)
}

func (c *crowd) admit(customer *Customer) {
	for _, group := range []struct {
		list  *[]int
		value string
	}{{&c.phone, customer.Phone}, {&c.email, customer.Email}, {&c.identity, customer.Identity}, {&c.messenger, customer.Messenger}} {
		if group.value != "" {
			*group.list = append(*group.list, customer.ID)
		}
	}
}

// reachable are the customers who can come in by a channel; never empty in a world of five or more.
func (c *crowd) reachable(channel string) []int {
	switch channel {
	case ChannelWebchat:
		return c.identity
	case ChannelMessenger:
		return c.messenger
	case ChannelEmail:
		return c.email
	}
	return c.phone
}
