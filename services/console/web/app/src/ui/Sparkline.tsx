// A trend as a small line: the shape, no scale. What it says is also said in words beside it.

interface SparklineProps {
  values: readonly (number | null)[];
  /** A design token. */
  color?: string;
  width?: number;
  height?: number;
}

export function Sparkline({ values, color = "series-1", width = 120, height = 32 }: SparklineProps) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return <svg width="100%" height={height} aria-hidden="true" />;
  const top = Math.max(...known);
  const low = Math.min(...known, 0);
  const x = (index: number) => (index / (values.length - 1)) * width;
  const y = (value: number) => height - 2 - ((value - low) / (top - low || 1)) * (height - 4);
  const line = pathOf(values, x, y);
  return (
    <svg
      viewBox={`0 0 ${width} ${height}`}
      width="100%"
      height={height}
      preserveAspectRatio="none"
      aria-hidden="true"
      style={{ color: `var(--${color})`, display: "block" }}
    >
      <path d={`${line}L${width} ${height}L0 ${height}Z`} fill="currentColor" opacity="0.12" />
      <path
        d={line}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        vectorEffect="non-scaling-stroke"
        strokeLinejoin="round"
      />
    </svg>
  );
}

/** What is missing is bridged by a straight line. */
function pathOf(
  values: readonly (number | null)[],
  x: (index: number) => number,
  y: (value: number) => number,
): string {
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    path += `${path === "" ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return path;
}
