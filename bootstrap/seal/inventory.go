package seal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/record"
)

// inventoryTimeout bounds a role's inventory, which may check thousands of files.
const inventoryTimeout = 15 * time.Minute

// inventory asks the roles what code there is in the image that no package brought. A role that finds something wrong
// with it says so, and the bake ends.
func (i *Image) inventory(ctx context.Context) ([]record.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, inventoryTimeout)
	defer cancel()

	var all []record.Code

	for _, manifest := range i.manifests {
		if manifest.Code == nil || len(manifest.Code.Inventory) == 0 {
			continue
		}

		out, err := command.Run(ctx, command.Command{Args: manifest.Code.Inventory})
		if err != nil {
			return nil, fmt.Errorf("the code of role %s is not right: %w", manifest.Name, err)
		}

		var found []record.Code

		if err := json.Unmarshal([]byte(out), &found); err != nil {
			return nil, fmt.Errorf("read the inventory of role %s: %w", manifest.Name, err)
		}

		all = append(all, found...)
	}

	return all, nil
}
