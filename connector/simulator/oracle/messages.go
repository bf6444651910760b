package oracle

import "flexbrevo/connector/simulator/world"

// knowsCustomerOf tells whether the records say who of a conversation is the customer: a participant with an
// address does, and of a web chat, which has none, a task that was made of it.
func (c *calculation) knowsCustomerOf(v *world.Conversation) bool {
	if v.Channel != world.ChannelWebchat {
		return true
	}
	for _, talk := range v.Talks {
		for _, task := range c.Contacts[talk.Contact].Tasks {
			if c.knows(c.Tasks[task].CreatedAt) {
				return true
			}
		}
	}
	return false
}

// MessagesOf calculates the messages of a contact in writing: how many there are, how many of the customer and of
// agents, and the seconds from the customer's first to the first of an agent after it, -1 where there is none.
// Messages are dated in whole seconds.
func MessagesOf(w *world.World, contact int) (all, received, sent, response int) {
	response = -1
	v := &w.Conversations[w.Contacts[contact].Conversation]
	asked := int64(0)
	n := 0
	for _, talk := range v.Talks {
		for range talk.Messages {
			m := w.Messages(v.ID)[n]
			n++
			if talk.Contact != contact {
				continue
			}
			all++
			if m.Agent != world.Unknown {
				if sent++; response < 0 && received > 0 {
					response = int(m.At.Unix() - asked)
				}
				continue
			}
			if received++; received == 1 {
				asked = m.At.Unix()
			}
		}
	}
	return all, received, sent, response
}
