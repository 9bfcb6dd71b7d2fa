// Form fields: a label, a control, a word of help or what is wrong. Values are passed, not events.
import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from "react";
import styles from "./Form.module.css";
import { Icon } from "./Icon";

interface FieldProps {
  label: string;
  help?: ReactNode;
  error?: string;
  /** The label is only read out, where the place says what it is. */
  hideLabel?: boolean;
}

interface WrapProps extends FieldProps {
  id: string;
  children: ReactNode;
}

function Wrap({ id, label, help, error, hideLabel, children }: WrapProps) {
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={hideLabel ? "sr-only" : styles.label}>
        {label}
      </label>
      {children}
      {(error || help) && (
        <p id={`${id}-help`} className={error ? styles.error : styles.help}>
          {error || help}
        </p>
      )}
    </div>
  );
}

const describedBy = (id: string, props: FieldProps) => ({
  "aria-describedby": props.error || props.help ? `${id}-help` : undefined,
  "aria-invalid": props.error ? true : undefined,
});

type Without<T> = Omit<T, "onChange" | "value" | "id">;

export type TextFieldProps = FieldProps &
  Without<InputHTMLAttributes<HTMLInputElement>> & { value: string; onChange: (value: string) => void };

export function TextField({ label, help, error, hideLabel, value, onChange, ...rest }: TextFieldProps) {
  const id = useId();
  return (
    <Wrap id={id} label={label} help={help} error={error} hideLabel={hideLabel}>
      <input
        id={id}
        className={styles.input}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        {...describedBy(id, { label, help, error })}
        {...rest}
      />
    </Wrap>
  );
}

export function SearchField(props: Omit<TextFieldProps, "type">) {
  return (
    <div className={styles.search}>
      <span className={styles.lens}>
        <Icon name="search" size={16} />
      </span>
      <TextField hideLabel type="search" {...props} />
    </div>
  );
}

export type TextAreaProps = FieldProps &
  Without<TextareaHTMLAttributes<HTMLTextAreaElement>> & {
    value: string;
    onChange: (value: string) => void;
    /** Set in the face of code. */
    code?: boolean;
  };

export function TextArea({ label, help, error, hideLabel, value, onChange, code, ...rest }: TextAreaProps) {
  const id = useId();
  return (
    <Wrap id={id} label={label} help={help} error={error} hideLabel={hideLabel}>
      <textarea
        id={id}
        className={code ? `${styles.input} ${styles.code}` : styles.input}
        rows={4}
        value={value}
        spellCheck={!code}
        onChange={(event) => onChange(event.target.value)}
        {...describedBy(id, { label, help, error })}
        {...rest}
      />
    </Wrap>
  );
}

export interface Choice {
  value: string;
  title: string;
}

export type SelectFieldProps = FieldProps &
  Without<SelectHTMLAttributes<HTMLSelectElement>> & {
    value: string;
    onChange: (value: string) => void;
    choices: readonly Choice[];
  };

export function SelectField({
  label,
  help,
  error,
  hideLabel,
  value,
  onChange,
  choices,
  ...rest
}: SelectFieldProps) {
  const id = useId();
  return (
    <Wrap id={id} label={label} help={help} error={error} hideLabel={hideLabel}>
      <select
        id={id}
        className={`${styles.input} ${styles.select}`}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        {...describedBy(id, { label, help, error })}
        {...rest}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.title}
          </option>
        ))}
      </select>
    </Wrap>
  );
}

interface CheckFieldProps {
  label: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
  help?: ReactNode;
}

export function CheckField({ label, checked, onChange, disabled, help }: CheckFieldProps) {
  const id = useId();
  return (
    <div className={styles.check}>
      <input
        id={id}
        type="checkbox"
        checked={checked}
        disabled={disabled}
        aria-describedby={help ? `${id}-help` : undefined}
        onChange={(event) => onChange(event.target.checked)}
      />
      <div>
        <label htmlFor={id}>{label}</label>
        {help && (
          <p id={`${id}-help`} className={styles.help}>
            {help}
          </p>
        )}
      </div>
    </div>
  );
}

interface SegmentsProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  choices: readonly Choice[];
}

/** One of a few, all in sight: spans of time, kinds. */
export function Segments({ label, value, onChange, choices }: SegmentsProps) {
  const name = useId();
  return (
    <fieldset className={styles.segments}>
      <legend className="sr-only">{label}</legend>
      {choices.map((choice) => (
        <label key={choice.value} className={styles.segment} data-on={choice.value === value || undefined}>
          <input
            type="radio"
            name={name}
            className="sr-only"
            checked={choice.value === value}
            onChange={() => onChange(choice.value)}
          />
          {choice.title}
        </label>
      ))}
    </fieldset>
  );
}

/** A row of filters above a list. */
export function Filters({ label, children }: { label: string; children: ReactNode }) {
  return (
    <search className={styles.filters} aria-label={label}>
      {children}
    </search>
  );
}
