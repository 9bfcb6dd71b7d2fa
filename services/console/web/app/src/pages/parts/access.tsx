// What a token of one project may not see, and what a viewer may not do, said kindly.
import type { ReactNode } from "react";
import { type ApiOptions, type ApiState, useApi, useSession } from "@/api";
import { Empty, Loaded } from "@/ui";

/** In the place of something that belongs to the whole server. */
export function ServerOnly({ what }: { what: string }) {
  const { session } = useSession();
  return (
    <Empty title="This belongs to the whole server" icon="security">
      {what} {session.project ? `Your token is for the project ${session.project}; ` : ""}an operator of the
      server can see it.
    </Empty>
  );
}

/** An answer about the whole server: a token of a project does not even ask, since each refusal is put on record. */
export function useServerApi<T>(path: string | null, options: ApiOptions = {}): ApiState<T> {
  const { isOperator } = useSession();
  return useApi<T>(isOperator ? path : null, options);
}

interface GuardedProps<T> {
  state: ApiState<T>;
  children: (data: T) => ReactNode;
  what: string;
  height?: number;
  /** Said where the token may not see it: one sentence about what would be here. */
  refused: string;
  /** It is never asked for with the token of a project. */
  serverOnly?: boolean;
}

/** `Loaded`, with a fifth state: it is there, and not for this token. */
export function Guarded<T>({ state, children, what, height, refused, serverOnly }: GuardedProps<T>) {
  const { isOperator } = useSession();
  if ((serverOnly && !isOperator) || state.problem?.status === 403) return <ServerOnly what={refused} />;
  return (
    <Loaded state={state} what={what} height={height}>
      {children}
    </Loaded>
  );
}

/** Why a button cannot be pressed; undefined where it can. */
export function useWhyNot(isServerWide = false): string | undefined {
  const { mayChange, isOperator } = useSession();
  if (!mayChange) return "Your token may look, not change anything.";
  if (isServerWide && !isOperator) return "This concerns the whole server; your token is for one project.";
  return undefined;
}
