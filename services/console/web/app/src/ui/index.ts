// The one door to the components.
export { Allowed, Forbidden } from "./Allowed";
export { Badge, Severity, State } from "./Badge";
export { Boundary } from "./Boundary";
export { Button, IconButton } from "./Button";
export { Chart, type Marker, type Series } from "./Chart";
export { Code, CopyButton, Sql } from "./Code";
export { Confirm, Dialog } from "./Dialog";
export {
  CheckField,
  type Choice,
  Filters,
  SearchField,
  Segments,
  SelectField,
  TextArea,
  TextField,
} from "./Form";
export { Gauge, type GaugePart } from "./Gauge";
export { Icon, type IconName } from "./Icon";
export { More } from "./More";
export { PageHead, Panel } from "./Panel";
export { Bar, Progress } from "./Progress";
export { type SpanState, SpanSwitch, useSpan } from "./Span";
export { Sparkline } from "./Sparkline";
export { Stat, Stats, type Tone } from "./Stat";
export { Empty, Failed, Loaded, Loading, Skeleton, Stale } from "./States";
export { type Column, Table } from "./Table";
export { type Tab, Tabs } from "./Tabs";
export { Time } from "./Time";
export { toast } from "./Toast";
export { useIsPhone } from "./useMedia";
export { useNow, useNowAs } from "./useNow";
