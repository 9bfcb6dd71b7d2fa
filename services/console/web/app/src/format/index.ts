// The one door to formatting.
export * from "./numbers";
export * from "./time";
