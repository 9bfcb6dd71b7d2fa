// What the console answers, by the names of its OpenAPI document: one file of types, made for `@weir/react`, serves here too.
import type { components } from "../../../hook/src/schema";

type Schemas = components["schemas"];

/** An answer says everything: the document calls a field optional that is null when it is not set. */
type Whole<T> = T extends readonly (infer Item)[]
  ? Whole<Item>[]
  : T extends object
    ? { [Key in keyof T]-?: Whole<Exclude<T[Key], undefined>> }
    : T;

/** What an answer of that name in `docs/reference/openapi.json` holds. */
export type Told<Name extends keyof Schemas> = Whole<Schemas[Name]>;
