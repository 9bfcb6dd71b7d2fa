// Rules of the cache: what is sent is what was typed, and what cannot be meant is said before it is sent.
import { describe, expect, it } from "vitest";
import { bodyOf, draftOf, errorsOf, NEW_DRAFT, sharesOf } from "./policy";
import type { Policy } from "./types";

const policy: Policy = {
  id: "7",
  project: "default",
  subject: { relation: "public.orders" },
  mode: "never",
  consistency: "bounded",
  bound_ms: 500,
  ttl_ms: 0,
  stale_while_revalidate_ms: 0,
  result_bytes_max: 0,
  negative_ttl_ms: 0,
  memory_bytes_max: 0,
  shared_bytes_max: 0,
  note: "hot",
  origin: "call",
};

it("brings a rule through the form unchanged", () =>
  expect(bodyOf(draftOf(policy))).toEqual({
    subject: { relation: "public.orders" },
    mode: "never",
    consistency: "bounded",
    bound_ms: 500,
    ttl_ms: 0,
    result_bytes_max: 0,
    negative_ttl_ms: 0,
    memory_bytes_max: 0,
    note: "hot",
  }));

it("names a whole project without a name", () =>
  expect(bodyOf({ ...NEW_DRAFT, subject: "whole_project", name: "left over" }).subject).toEqual({
    whole_project: {},
  }));

describe("errorsOf", () => {
  it("takes what is right", () => {
    expect(errorsOf({ ...NEW_DRAFT, name: "public.orders" })).toEqual({});
    expect(errorsOf({ ...NEW_DRAFT, subject: "fingerprint", name: "00ff00ff00ff00ff" })).toEqual({});
    expect(errorsOf({ ...NEW_DRAFT, subject: "whole_project" })).toEqual({});
  });
  it("refuses names and numbers that are none", () => {
    expect(errorsOf({ ...NEW_DRAFT, name: "orders" }).name).toBeDefined();
    expect(errorsOf({ ...NEW_DRAFT, subject: "fingerprint", name: "00FF" }).name).toBeDefined();
    expect(errorsOf({ ...NEW_DRAFT, name: "a.b", bound_ms: "-1" }).bound_ms).toBeDefined();
  });
  it("wants a time to live where results live by time", () =>
    expect(errorsOf({ ...NEW_DRAFT, name: "a.b", consistency: "ttl" }).ttl_ms).toBeDefined());
});

it("orders reasons by how often they came, with their share", () =>
  expect(sharesOf({ absent: 1, invalidated: 3, expired: 0 })).toEqual([
    { reason: "invalidated", value: 3, part: 0.75 },
    { reason: "absent", value: 1, part: 0.25 },
  ]));
