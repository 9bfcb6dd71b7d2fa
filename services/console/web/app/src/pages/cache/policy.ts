// Rules of the cache between the form that people fill in and the message of the protocol. Pure.
import type { CacheMode } from "@/api/types";
import { bytes, duration } from "@/format";
import type { CacheStatistics, Consistency, Policy, PolicySubject } from "./types";

export type SubjectKind = "fingerprint" | "relation" | "whole_project";

/** What the form holds: texts, as typed. */
export interface Draft {
  subject: SubjectKind;
  name: string;
  mode: CacheMode;
  consistency: Consistency;
  bound_ms: string;
  ttl_ms: string;
  result_bytes_max: string;
  negative_ttl_ms: string;
  memory_bytes_max: string;
  note: string;
}

export const NEW_DRAFT: Draft = {
  subject: "relation",
  name: "",
  mode: "always",
  consistency: "unspecified",
  bound_ms: "",
  ttl_ms: "",
  result_bytes_max: "",
  negative_ttl_ms: "",
  memory_bytes_max: "",
  note: "",
};

export function subjectOf(subject: PolicySubject | null): { kind: SubjectKind; name: string } {
  if (subject && "fingerprint" in subject) return { kind: "fingerprint", name: subject.fingerprint };
  if (subject && "relation" in subject) return { kind: "relation", name: subject.relation };
  return { kind: "whole_project", name: "" };
}

const text = (value: number): string => (value === 0 ? "" : String(value));

export function draftOf(policy: Policy): Draft {
  const { kind, name } = subjectOf(policy.subject);
  return {
    subject: kind,
    name,
    mode: policy.mode,
    consistency: policy.consistency,
    bound_ms: text(policy.bound_ms),
    ttl_ms: text(policy.ttl_ms),
    result_bytes_max: text(policy.result_bytes_max),
    negative_ttl_ms: text(policy.negative_ttl_ms),
    memory_bytes_max: text(policy.memory_bytes_max),
    note: policy.note,
  };
}

export type DraftErrors = Partial<Record<keyof Draft, string>>;

const FINGERPRINT = /^[0-9a-f]{16}$/;
const RELATION = /^[^.\s]+\.[^.\s]+$/;
const NUMBERS = ["bound_ms", "ttl_ms", "result_bytes_max", "negative_ttl_ms", "memory_bytes_max"] as const;

/** What is wrong with it, field by field. Nothing: it can be sent. */
export function errorsOf(draft: Draft): DraftErrors {
  const errors: DraftErrors = {};
  const name = draft.name.trim();
  if (draft.subject === "fingerprint" && !FINGERPRINT.test(name))
    errors.name = "A fingerprint has 16 hexadecimal digits.";
  if (draft.subject === "relation" && !RELATION.test(name)) errors.name = "A table is named schema.name.";
  for (const field of NUMBERS) {
    if (draft[field] !== "" && !/^\d{1,12}$/.test(draft[field]))
      errors[field] = "A whole number, or nothing.";
  }
  if (draft.consistency === "ttl" && Number(draft.ttl_ms) === 0)
    errors.ttl_ms = "Results that live by time need a time to live.";
  return errors;
}

/** What is sent for it. */
export function bodyOf(draft: Draft) {
  const name = draft.name.trim();
  const subject = draft.subject === "whole_project" ? { whole_project: {} } : { [draft.subject]: name };
  return {
    subject,
    mode: draft.mode,
    consistency: draft.consistency,
    ...Object.fromEntries(NUMBERS.map((field) => [field, Number(draft[field] || 0)])),
    note: draft.note.trim(),
  };
}

/** The limits of a rule in words; those that are not set are not named. */
export function limitsOf(policy: Policy): string[] {
  const limits: [number, (value: number) => string][] = [
    [policy.bound_ms, (value) => `at most ${duration(value)} old`],
    [policy.ttl_ms, (value) => `lives ${duration(value)}`],
    [policy.negative_ttl_ms, (value) => `empty ones ${duration(value)}`],
    [policy.result_bytes_max, (value) => `results up to ${bytes(value)}`],
    [policy.memory_bytes_max, (value) => `${bytes(value)} of memory`],
  ];
  return limits.filter(([value]) => value > 0).map(([value, say]) => say(value));
}

export interface Share {
  reason: string;
  value: number;
  part: number;
}

/** Counts by reason, the most frequent first, each with its share of all. */
export function sharesOf(counts: Record<string, number>): Share[] {
  const all = Object.entries(counts).filter(([, value]) => value > 0);
  const sum = all.reduce((total, [, value]) => total + value, 0);
  return all
    .map(([reason, value]) => ({ reason, value, part: value / sum }))
    .sort((a, b) => b.value - a.value);
}

/** Hits in one look-up since the start; null where there was none. */
export function hitRatioOf(statistics: CacheStatistics): number | null {
  const hits = statistics.hits_memory_total + statistics.hits_shared_total;
  return statistics.lookups_total > 0 ? hits / statistics.lookups_total : null;
}
