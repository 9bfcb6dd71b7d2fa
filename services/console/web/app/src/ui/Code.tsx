// Code and statements: set in the face of code, coloured lightly, with a button to copy.
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { Button, IconButton } from "./Button";
import styles from "./Code.module.css";
import { breakLines, tokens } from "./sql";
import { toast } from "./Toast";

const COPIED_MS = 1600;

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    toast("The browser does not let this page write to the clipboard.", "bad");
    return false;
  }
}

/** Copies a text. Without children it is an icon. */
export function CopyButton({
  text,
  label = "Copy",
  children,
}: {
  text: string;
  label?: string;
  children?: ReactNode;
}) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const icon = isCopied ? "check" : "copy";
  const onClick = () => void copy(text).then(setCopied);
  if (!children)
    return <IconButton small label={isCopied ? "Copied" : label} icon={icon} onClick={onClick} />;
  return (
    <Button small icon={icon} onClick={onClick}>
      {isCopied ? "Copied" : children}
    </Button>
  );
}

/** SQL in a line of text. */
export function Sql({ sql }: { sql: string }) {
  const parts = useMemo(() => tokens(sql), [sql]);
  return (
    <code className={styles.sql}>
      {parts.map(({ part, text }, index) =>
        part === "plain" ? (
          text
        ) : (
          // The parts of one text never change places.
          // biome-ignore lint/suspicious/noArrayIndexKey: see above
          <span key={index} className={styles[part]}>
            {text}
          </span>
        ),
      )}
    </code>
  );
}

interface CodeProps {
  code: string;
  language?: "sql" | "text" | "shell";
  /** What it is, for those who hear the page. */
  label?: string;
}

/** A block of code. Long ones scroll inside. */
export function Code({ code, language = "text", label }: CodeProps) {
  return (
    <div className={styles.block}>
      <pre className={styles.pre} tabIndex={0} role="region" aria-label={label ?? "Code"}>
        {language === "sql" ? <Sql sql={breakLines(code)} /> : <code>{code}</code>}
      </pre>
      <div className={styles.copy}>
        <CopyButton text={code} />
      </div>
    </div>
  );
}
