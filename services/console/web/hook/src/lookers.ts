// Who looks at something shared. It is begun for the first and ended after the last of them.

/** `turn` is told a moment later, so that to leave and come at once (StrictMode, a new key) changes nothing. */
export class Lookers<Looker> {
  private readonly all = new Set<{ looker: Looker }>();
  private isOn = false;
  private isDue = false;
  private readonly turn: (isOn: boolean) => void;

  constructor(turn: (isOn: boolean) => void) {
    this.turn = turn;
  }

  add(looker: Looker): () => void {
    const entry = { looker };
    this.all.add(entry);
    this.settle();
    return () => {
      this.all.delete(entry);
      this.settle();
    };
  }

  get size(): number {
    return this.all.size;
  }

  list(): Looker[] {
    return [...this.all].map((entry) => entry.looker);
  }

  private settle(): void {
    if (this.isDue) return;
    this.isDue = true;
    queueMicrotask(() => {
      this.isDue = false;
      const isWanted = this.all.size > 0;
      if (isWanted === this.isOn) return;
      this.isOn = isWanted;
      this.turn(isWanted);
    });
  }
}
