// Buttons: primary for the one thing a place is for, plain for the rest, danger for what cannot be undone.
import type { ButtonHTMLAttributes } from "react";
import styles from "./Button.module.css";
import { Icon, type IconName } from "./Icon";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: "plain" | "primary" | "danger" | "quiet";
  icon?: IconName;
  /** Shows that it is at work, and cannot be pressed again meanwhile. */
  isBusy?: boolean;
  small?: boolean;
}

export function Button({
  look = "plain",
  icon,
  isBusy,
  small,
  children,
  className,
  disabled,
  ...rest
}: ButtonProps) {
  const names = [styles.button, styles[look], small && styles.small, isBusy && styles.busy, className];
  return (
    <button
      type="button"
      className={names.filter(Boolean).join(" ")}
      disabled={disabled || isBusy}
      aria-busy={isBusy || undefined}
      {...rest}
    >
      {icon && <Icon name={icon} size={small ? 16 : 18} />}
      {children}
    </button>
  );
}

/** A button that is only an icon; the label is read out and shown as a tip. */
export function IconButton({ label, icon, ...rest }: ButtonProps & { label: string; icon: IconName }) {
  return (
    <Button
      look="quiet"
      aria-label={label}
      title={label}
      {...rest}
      className={`${styles.icon} ${rest.className ?? ""}`}
    >
      <Icon name={icon} size={rest.small ? 16 : 18} />
    </Button>
  );
}
