package api

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// wakeFollower tells the follower that a load balancer, or a Droplet behind one, may have changed.
func (s *Server) wakeFollower() {
	// the follower reads the whole state: one pending wake-up stands for many
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// balancerRetry is the pause before a load balancer that could not be applied is applied again.
const balancerRetry = 2 * time.Second

// followBalancers applies the load balancers and the firewalls of the state whenever they may have changed, until the
// server closes.
func (s *Server) followBalancers() {
	applied := map[string]string{}

	// load balancers run on without the lab, also those that were deleted meanwhile
	running, err := s.Balancers.List()
	if err != nil {
		s.Logger.Error("load balancers of an earlier run not found", "err", err)
	}

	for _, id := range running {
		applied[id] = "" // how it was applied is not known; it is removed when the state does not have it
	}

	firewalls := ""
	var retry <-chan time.Time

	for {
		select {
		case <-s.context.Done():
			return
		case <-s.changed:
		case <-retry:
		}

		// a change that woke the follower makes the retry needless
		retry = nil

		err := safely(func() (err error) {
			firewalls, err = s.syncFirewalls(firewalls)
			return errors.Join(err, s.syncBalancers(applied))
		})
		if err != nil && s.context.Err() == nil {
			s.Logger.Error("load balancers or firewalls not in step; trying again", "err", err)
			retry = time.After(balancerRetry)
		}
	}
}

// syncBalancers applies what differs from applied (a load balancer's id to what was last applied for it).
func (s *Server) syncBalancers(applied map[string]string) error {
	d := s.Store.View()
	var problem error

	for _, balancer := range d.LoadBalancers {
		wanted := desired(d, balancer)

		encoded, err := json.Marshal(wanted)
		if err != nil {
			return err
		}

		if applied[balancer.ID] == string(encoded) && balancer.Status == balancerActive {
			continue
		}

		if err := s.applyBalancer(wanted); err != nil {
			problem = err

			// what is in force after an error is not known, so that the next round applies it again
			delete(applied, balancer.ID)
			continue
		}

		applied[balancer.ID] = string(encoded)
	}

	for id := range applied {
		if d.LoadBalancer(id) != nil {
			continue
		}

		if err := s.removeBalancer(id); err != nil {
			problem = err
			continue
		}

		delete(applied, id)
	}

	return problem
}

// desired is what a load balancer should be now. Its status is left out: it follows from applying.
func desired(d *state.Document, balancer state.LoadBalancer) Balancer {
	balancer.Status, balancer.Reason = "", ""
	balancer.Busy, balancer.Resized = time.Time{}, time.Time{}

	wanted := Balancer{
		LoadBalancer: balancer,
		Certificates: map[string]state.Certificate{},
	}

	// a balancer's own address needs the prefix of its VPC
	if vpc := d.VPC(balancer.VPC); vpc != nil {
		wanted.VPCRange = vpc.Range
	}

	for _, id := range balancerDroplets(d, balancer) {
		// a Droplet is a target once its addresses are shown
		droplet := d.Droplet(id)
		if droplet == nil || !droplet.Ready || droplet.Deleting || droplet.VPC != balancer.VPC {
			continue
		}

		wanted.Targets = append(wanted.Targets, Target{
			DropletID: id,
			Name:      droplet.Name,
			Address:   droplet.Private,
		})
	}

	for _, rule := range balancer.Rules {
		if certificate := d.Certificate(rule.CertificateID); certificate != nil {
			wanted.Certificates[certificate.ID] = *certificate
		}
	}

	return wanted
}

// applyBalancer applies a load balancer, and records what came of it as its status.
func (s *Server) applyBalancer(wanted Balancer) error {
	err := s.Balancers.Apply(s.context, wanted)
	if s.context.Err() != nil {
		return s.context.Err()
	}

	// clients wait until the status is no longer new: an error must show as one
	status, reason := balancerActive, ""
	if err != nil {
		status, reason = balancerErrored, err.Error()
	}

	for _, rule := range wanted.Rules {
		if rule.EntryProtocol == protocolHTTP3 {
			s.Logger.Info("http3 is kept and not served: visitors stay with HTTP over TCP", "balancer", wanted.Name)
		}
	}

	s.Logger.Info("load balancer applied",
		"balancer", wanted.Name,
		"address", wanted.Address,
		"targets", len(wanted.Targets),
		"status", status,
	)

	kept := s.Store.Update(func(d *state.Document) error {
		// it may have been deleted while it was applied
		if balancer := d.LoadBalancer(wanted.ID); balancer != nil {
			balancer.Status = status
			balancer.Reason = reason
		}

		return nil
	})
	if err == nil {
		err = kept
	}

	return err
}

func (s *Server) removeBalancer(id string) error {
	s.Logger.Info("load balancer removed", "balancer", id)
	return s.Balancers.Remove(s.context, id)
}
