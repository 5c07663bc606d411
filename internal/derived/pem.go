package derived

import (
	"encoding/asn1"
	"encoding/pem"
	"errors"
)

// errPacked is what is no row of DER.
var errPacked = errors.New("it is no chain of certificates with a key")

// PEM writes certificates and the key behind them, a row of DER, as servers read them.
func PEM(packed []byte) ([]byte, error) {
	var text []byte

	for len(packed) > 0 {
		var one asn1.RawValue

		rest, err := asn1.Unmarshal(
			packed,
			&one,
		)
		if err != nil {
			return nil, errPacked
		}

		// The key is the last.
		kind := "CERTIFICATE"
		if len(rest) == 0 {
			kind = "PRIVATE KEY"
		}

		text = append(
			text,
			pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: one.FullBytes})...,
		)
		packed = rest
	}

	return text, nil
}

// Pack takes from PEM what it adds: certificates and the key behind them tell by themselves where they end.
func Pack(text []byte) []byte {
	var packed []byte

	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return packed
		}

		packed = append(packed, block.Bytes...)
	}
}
