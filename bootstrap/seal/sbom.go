package seal

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/hornero/hornero/internal/record"
)

// checkSBOM holds the bill of materials, which the builder wrote, to the record. Its serial number is all that
// is read: the library that reads the rest would be in every node's bootstrap.
func (i *Image) checkSBOM() error {
	data, err := os.ReadFile(i.at(record.SBOMPath))
	if err != nil {
		return err
	}

	var bom struct{ SerialNumber string }
	if err := json.Unmarshal(data, &bom); err != nil {
		return err
	}

	if own := i.record.Serial(); bom.SerialNumber != own {
		return fmt.Errorf("its serial number is %q, that of the record %q", bom.SerialNumber, own)
	}

	return nil
}
