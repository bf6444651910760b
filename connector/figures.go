package connector

import (
	"context"
	"time"

	"flexbrevo/connector/figures"
	"flexbrevo/connector/twilio"
)

// figures says which figures the connector keeps.
func (f *flow) figures() figures.Options {
	return figures.Options{
		Agents: f.cfg.Sync.AgentActivity, Queues: f.cfg.Sync.QueueAnalytics, Scores: f.cfg.Sync.CSAT,
		Location: f.cfg.Location, Thresholds: f.thresholds,
	}
}

// thresholds are the account's own limits for queue figures, as Flex Configuration
// has them. It is read before the first record is, and remembered by the source,
// so this seldom asks the network.
func (f *flow) thresholds(queue, channel string) (service, short time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	d, err := f.source.Discover(ctx)
	if err != nil {
		return 0, 0
	}
	return thresholdsOf(d, queue, channel)
}

// thresholdsOf prefers those of the queue and channel to the account's.
func thresholdsOf(d twilio.Discovery, queue, channel string) (service, short time.Duration) {
	t := d.Thresholds
	for _, c := range d.ChannelThresholds {
		if c.QueueSID == queue && c.ChannelSID == channel {
			t = c.Thresholds
		}
	}
	return t.ServiceLevel, t.ShortAbandoned
}
