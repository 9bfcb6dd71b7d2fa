// The one door to routing.
export { navigate, setQuery, startHistory, usePlace, useQueryState } from "./history";
export { Link } from "./Link";
export { match, type Params, withQuery } from "./match";
export { findRoute, preload, type Route, Router, useParams } from "./Router";
