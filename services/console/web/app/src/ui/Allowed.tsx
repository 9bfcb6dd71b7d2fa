// Answers that not everybody may have: what is refused by right is said calmly, not as a failure.
import type { ReactNode } from "react";
import { useSession } from "@/api/session";
import type { ApiState } from "@/api/useApi";
import { Empty, Loaded } from "./States";

export function Forbidden({ what }: { what: string }) {
  const { session } = useSession();
  return (
    <Empty title={`${what}: not with this token`} icon="security">
      {session.project === null
        ? "An operator of Weir sees this."
        : `It concerns the whole server, and this token is of project ${session.project}. An operator of Weir sees it.`}
    </Empty>
  );
}

interface AllowedProps<T> {
  state: ApiState<T>;
  what: string;
  height?: number;
  children: (data: T) => ReactNode;
}

/** `Loaded`, with a place of its own for 403. */
export function Allowed<T>({ state, what, height, children }: AllowedProps<T>) {
  if (state.problem?.status === 403) return <Forbidden what={what} />;
  return (
    <Loaded state={state} what={what} height={height}>
      {children}
    </Loaded>
  );
}
