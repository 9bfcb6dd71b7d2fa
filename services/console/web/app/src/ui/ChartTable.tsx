// The figures of a chart as a table, for those who do not see it and those who want the numbers.
import { clock, dayClock } from "@/format";
import styles from "./Chart.module.css";
import type { Series } from "./chartOptions";
import type { Column } from "./decimate";

const ROWS_MAX = 120;

interface ChartTableProps {
  label: string;
  data: readonly Column[];
  series: readonly Series[];
  format: (value: number | null) => string;
  height: number;
}

export function ChartTable({ label, data, series, format, height }: ChartTableProps) {
  const xs = data[0] ?? [];
  const step = Math.max(1, Math.ceil(xs.length / ROWS_MAX));
  const rows = xs.map((_, index) => index).filter((index) => (xs.length - 1 - index) % step === 0);
  const isLong = (xs.at(-1) ?? 0) - (xs[0] ?? 0) > 43_200_000;
  return (
    <div className={styles.table} style={{ height }} tabIndex={0} role="region" aria-label={label}>
      <table>
        <caption className="sr-only">{step > 1 ? `${label}, every ${step}th point` : label}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map((one) => (
              <th key={one.label} scope="col" className="number">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.reverse().map((index) => (
            <tr key={xs[index]}>
              <th scope="row">{isLong ? dayClock(xs[index] ?? 0) : clock(xs[index] ?? 0)}</th>
              {series.map((one, at) => (
                <td key={one.label} className="number">
                  {format(data[at + 1]?.[index] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
