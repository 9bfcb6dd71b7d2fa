// Settings: what is in force and where it came from, the services, the projects.
import { useSession } from "@/api";
import { PageHead, Tabs } from "@/ui";
import { Configuration } from "./Configuration";
import { Projects } from "./Projects";
import { Services } from "./Services";

export default function SettingsPage() {
  const { session } = useSession();
  return (
    <>
      <PageHead
        title="Settings"
        lead={`Weir ${session.version}, profile ${session.profile}. What is shown here is in force; it is changed in the file, in the environment, or with weir config.`}
      />
      <Tabs
        label="Settings, services and projects"
        tabs={[
          { id: "settings", title: "In force", content: () => <Configuration /> },
          { id: "services", title: "Services", content: () => <Services /> },
          { id: "projects", title: "Projects", content: () => <Projects /> },
        ]}
      />
    </>
  );
}
