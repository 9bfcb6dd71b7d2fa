// The mark: water that comes over a weir, and the name.
import styles from "./Shell.module.css";

export function Logo() {
  return (
    <span className={styles.logo}>
      <svg
        viewBox="0 0 32 32"
        width="30"
        height="30"
        fill="none"
        strokeLinecap="round"
        strokeWidth="2.6"
        aria-hidden="true"
      >
        <path d="M4 9h9c3.400 0 4.600 2.200 5.600 5" stroke="#c9f4f0" />
        <path d="M4 14.500h6.600c3.900 0 5 2.500 6.400 5.500" stroke="#5fd0d3" />
        <path
          d="M4 25c2.400 0 2.400-1.800 4.800-1.800s2.400 1.800 4.800 1.800 2.400-1.800 4.800-1.800 2.400 1.800 4.800 1.800 2.400-1.800 4.800-1.800"
          stroke="#7fe3df"
        />
      </svg>
      <span>Weir</span>
    </span>
  );
}
