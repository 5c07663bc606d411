package nameserver

import (
	"net"

	"github.com/miekg/dns"

	"github.com/hornero/hornero/lab/state"
)

// mostAliases is how many names may lead to each other, one after the other.
const mostAliases = 8

// Handler answers from the account as it is when it is asked.
func Handler(view func() *state.Document) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, asked *dns.Msg) {
		answer := answerTo(view(), asked)
		room := dns.MinMsgSize

		if edns := asked.IsEdns0(); edns != nil {
			room = int(edns.UDPSize())
			answer.SetEdns0(edns.UDPSize(), false)
		}

		// What does not fit is asked for again, by TCP.
		if _, datagram := w.RemoteAddr().(*net.UDPAddr); datagram {
			answer.Truncate(room)
		}

		// An error means that the client went away.
		_ = w.WriteMsg(answer)
	})
}

// answerTo answers a message. The library lets none in that asks for more than one thing.
func answerTo(account *state.Document, asked *dns.Msg) *dns.Msg {
	answer := new(dns.Msg)
	answer.SetReply(asked)
	answer.Authoritative = true
	answer.RecursionAvailable = true

	question := asked.Question[0]
	owner := question.Name

	for range mostAliases {
		zone := zoneOf(account, owner)
		if zone == nil {
			answer.Rcode = dns.RcodeNameError
			return answer
		}

		records, there := zone.at(owner)
		found := only(records, question.Qtype)
		alias := aliasOf(records)

		if len(found) == 0 && alias != nil {
			answer.Answer = append(answer.Answer, alias)
			owner = alias.Target

			continue
		}

		answer.Answer = append(answer.Answer, found...)

		// Who keeps that there is nothing learns here for how long.
		if len(found) == 0 {
			answer.Ns = zone.start()
		}

		if !there {
			answer.Rcode = dns.RcodeNameError
		}

		return answer
	}

	// They lead round in a circle.
	answer.Answer = nil
	answer.Rcode = dns.RcodeServerFailure

	return answer
}

// only are the records of a type.
func only(records []dns.RR, kind uint16) []dns.RR {
	var found []dns.RR
	for _, record := range records {
		if kind == dns.TypeANY || kind == record.Header().Rrtype {
			found = append(found, record)
		}
	}

	return found
}

// aliasOf is the record that says that a name stands for another; nil for none.
func aliasOf(records []dns.RR) *dns.CNAME {
	for _, record := range records {
		if alias, ok := record.(*dns.CNAME); ok {
			return alias
		}
	}

	return nil
}
