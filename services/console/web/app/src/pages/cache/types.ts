// What the console says of the result cache: statistics, rules, followers, explanations.
import type { Told } from "@/api/types";

export type Consistency = Told<"cache.Consistency">;
export type CacheStatistics = Told<"cache.Statistics">;
export type CacheResponse = Told<"cache.GetStatisticsResponse">;
export type PolicySubject = Told<"cache.Policy.subject">;
export type Policy = Told<"cache.Policy">;
export type PoliciesResponse = Told<"console.CachePolicies">;
export type FollowerState = Told<"cache.FollowerState">;
export type Follower = Told<"cache.Follower">;
export type FollowersResponse = Told<"console.CacheFollowers">;
export type Tag = Told<"cache.Tag">;
export type Explanation = Told<"cache.ExplainResponse">;
export type InvalidateResponse = Told<"cache.InvalidateResponse">;
