// What several of the server's pages share.
export { Guarded, ServerOnly, useServerApi, useWhyNot } from "./access";
export { JobCard } from "./JobCard";
export { isUnderWay, TURNS, tableOf, useProgress, type Work } from "./jobs";
export { useTrail } from "./useTrail";
