// Keeps a fault of one page or panel from taking the rest along.
import { Component, type ReactNode } from "react";
import { asProblem } from "@/api/problem";
import { Failed } from "./States";

interface BoundaryState {
  thrown: unknown;
}

export class Boundary extends Component<{ children: ReactNode }, BoundaryState> {
  override state: BoundaryState = { thrown: null };

  static getDerivedStateFromError(thrown: unknown): BoundaryState {
    return { thrown };
  }

  override render() {
    if (this.state.thrown === null) return this.props.children;
    // A page that cannot be loaded is most often one of before an update: loading anew helps.
    return (
      <>
        <h1 className="sr-only">Something went wrong</h1>
        <Failed problem={asProblem(this.state.thrown)} what="This page" retry={() => location.reload()} />
      </>
    );
  }
}
