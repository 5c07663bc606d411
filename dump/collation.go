package dump

import "strings"

// The collation that the stack's databases have, and the one that tells all letters apart.
const (
	ourCollation = "utf8mb4_unicode_520_ci"
	binary       = "utf8mb4_bin"
)

// collations puts collations that both of Debian's servers know in the place of MySQL 8's (utf8mb4_0900_*) and of newer
// MariaDB's (*_uca1400_*). Debian 12's knows neither, and two nodes of one cluster must.
func (w *Rewriter) collations(list []token) {
	for i, t := range list {
		if t.kind != word && t.kind != text {
			continue
		}

		known, foreign := collation(t.named())
		if !foreign {
			continue
		}

		w.changed("collation %s became %s", strings.ToLower(t.named()), known)

		if t.kind == text {
			known = "'" + known + "'"
		}

		list[i].text = known
	}
}

// collation is what to have in a collation's place.
func collation(asked string) (known string, foreign bool) {
	lower := strings.ToLower(asked)

	rest, mysql8 := strings.CutPrefix(lower, "utf8mb4_")
	mysql8 = mysql8 && strings.Contains(rest, "0900_")

	if !mysql8 && !strings.Contains(lower, "uca1400_") || len(lower) > 64 || strings.ContainsAny(lower, " .") {
		return "", false
	}

	// Who told upper case from lower may have keys that differ in nothing else.
	if strings.HasSuffix(lower, "_cs") || strings.HasSuffix(lower, "_bin") {
		return binary, true
	}

	return ourCollation, true
}
