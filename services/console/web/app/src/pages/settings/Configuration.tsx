// The effective settings by section, each with its value, where that came from, and what it is for.
import { useApi } from "@/api";
import { plural } from "@/format";
import { useQueryState } from "@/router";
import { Allowed, Badge, Button, Empty, Filters, Panel, SearchField, Segments, SelectField } from "@/ui";
import styles from "./Settings.module.css";
import {
  type Filter,
  isSaid,
  nameIn,
  originOf,
  remarksOf,
  type Section,
  sectionOf,
  sectionsOf,
} from "./sections";
import { CONFIGURATION, type ConfigurationResponse, type Setting } from "./types";

const SHOWN = [
  { value: "", title: "All" },
  { value: "changed", title: "Only changed" },
  { value: "odd", title: "Waiting or differing" },
];

export function Configuration() {
  const [search, setSearch] = useQueryState("search");
  const [section, setSection] = useQueryState("section");
  const [shown, setShown] = useQueryState("show");
  const state = useApi<ConfigurationResponse>(CONFIGURATION, { every: 10 });
  const names = [...new Set(state.data?.settings.map((one) => sectionOf(one.key)))];
  const choices = [
    { value: "", title: "Every section" },
    ...names.map((name) => ({ value: name, title: `[${name}]` })),
  ];
  const clear = () => {
    for (const set of [setSearch, setSection, setShown]) set("");
  };
  return (
    <div className="stack">
      <Filters label="Filter the settings">
        <SearchField
          label="Search the settings"
          placeholder="Name, value or meaning"
          value={search}
          onChange={setSearch}
        />
        <SelectField label="Section" hideLabel value={section} onChange={setSection} choices={choices} />
        <Segments label="Which settings" value={shown} onChange={setShown} choices={SHOWN} />
      </Filters>
      <Allowed state={state} what="Settings" height={480}>
        {(data) => <Sections data={data} filter={{ search, section, shown }} clear={clear} />}
      </Allowed>
    </div>
  );
}

interface SectionsProps {
  data: ConfigurationResponse;
  filter: Filter;
  clear: () => void;
}

function Sections({ data, filter, clear }: SectionsProps) {
  const sections = sectionsOf(data.settings, filter);
  const said = data.settings.filter(isSaid).length;
  return (
    <>
      <p className="muted" role="status">
        {plural(data.settings.length, "setting")}, {said} of them changed
        {data.file ? (
          <>
            ; the file is <code>{data.file}</code>
          </>
        ) : (
          "; there is no settings file"
        )}
        .
      </p>
      {sections.length === 0 && (
        <Panel>
          <Empty
            title="No setting fits the filter"
            icon="search"
            action={<Button onClick={clear}>Clear the filter</Button>}
          />
        </Panel>
      )}
      {sections.map((section) => (
        <SectionPanel key={section.name} section={section} />
      ))}
      {!filter.search && <Missing missing={data.missing} />}
    </>
  );
}

function SectionPanel({ section }: { section: Section }) {
  return (
    <Panel title={<code>[{section.name}]</code>} note={plural(section.settings.length, "setting")} flush>
      <ul className={styles.settings}>
        {section.settings.map((setting) => (
          <SettingItem key={setting.key} setting={setting} />
        ))}
      </ul>
    </Panel>
  );
}

function SettingItem({ setting }: { setting: Setting }) {
  const { word, variable } = originOf(setting);
  return (
    <li className={styles.setting} data-said={isSaid(setting) || undefined}>
      <div className={styles.name}>
        <code>{nameIn(setting.key)}</code>
        {setting.meaning && <p className={styles.doc}>{setting.meaning}</p>}
      </div>
      <div className={styles.value}>
        {setting.value ? (
          <code>{setting.value}</code>
        ) : (
          <span className="muted">{setting.value === null ? "not set" : "empty"}</span>
        )}
        {remarksOf(setting).map((remark) => (
          <p key={remark} className={styles.doc}>
            {remark}
          </p>
        ))}
      </div>
      <div className={styles.origin}>
        <Badge tone={isSaid(setting) ? "info" : "plain"}>{word}</Badge>
        {variable && <code className={styles.doc}>{variable}</code>}
      </div>
    </li>
  );
}

function Missing({ missing }: { missing: ConfigurationResponse["missing"] }) {
  if (missing.length === 0) return null;
  return (
    <Panel title="Sections that cannot be read from here">
      <dl className={styles.missing}>
        {missing.map(({ section, reason }) => (
          <div key={section}>
            <dt>
              <code>[{section}]</code>
            </dt>
            <dd>{reason}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
