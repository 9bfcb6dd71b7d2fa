// The fields of a silence's matchers: a name, a pattern, as many as are wanted.
import { Button, IconButton, TextField } from "@/ui";
import styles from "./Alerts.module.css";
import { type Matcher, newMatcher } from "./matchers";

const NAMES = ["rule", "project", "severity", "fingerprint", "database", "upstream", "role"];
const MOST = 16;

interface MatcherFieldsProps {
  rows: readonly Matcher[];
  onChange: (rows: Matcher[]) => void;
  error: string;
}

export function MatcherFields({ rows, onChange, error }: MatcherFieldsProps) {
  const change = (key: number, part: Partial<Matcher>) =>
    onChange(rows.map((row) => (row.key === key ? { ...row, ...part } : row)));
  return (
    <fieldset className={styles.matcherRows}>
      <legend>What fits: all of these</legend>
      <datalist id="matcher-names">
        {NAMES.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {rows.map((row, index) => (
        <div key={row.key} className={styles.matcherRow}>
          <TextField
            label={`Name ${index + 1}`}
            hideLabel
            placeholder="name or label"
            list="matcher-names"
            value={row.name}
            onChange={(name) => change(row.key, { name })}
          />
          <TextField
            label={`Pattern ${index + 1}`}
            hideLabel
            placeholder="pattern, * for any part"
            value={row.pattern}
            onChange={(pattern) => change(row.key, { pattern })}
          />
          <IconButton
            label={`Remove ${row.name || `matcher ${index + 1}`}`}
            icon="close"
            small
            onClick={() => onChange(rows.filter((one) => one.key !== row.key))}
          />
        </div>
      ))}
      {error && <p role="alert">{error}</p>}
      {rows.length < MOST && (
        <div>
          <Button small onClick={() => onChange([...rows, newMatcher()])}>
            Add one
          </Button>
        </div>
      )}
    </fieldset>
  );
}
