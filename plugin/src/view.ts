import { SyncClient } from "twilio-sync";
import { keyOf } from "./customer";
import { Customers } from "./customers";
import type { FlexGlobal, FlexManager, FlexTask, ReactGlobal } from "./flex";
import { draw } from "./panel";
import type { PanelSettings } from "./settings";

/**
 * Adds a tab beside each task that shows what flexbrevo keeps of its customer in
 * Sync. A Flex UI that lacks what it needs is left as it is, with a word in the console.
 */
export function addPanel(flex: FlexGlobal, manager: FlexManager, settings: PanelSettings, react: ReactGlobal | undefined): void {
  if (react === undefined || flex.TaskCanvasTabs === undefined || flex.withTaskContext === undefined || flex.Tab === undefined) {
    console.warn("flexbrevo: this Flex UI has no tabs of tasks; customers are not shown");
    return;
  }
  // The token changes while the agent is logged in: the client is opened with today's and told of later ones.
  const customers = new Customers(settings, () => new SyncClient(manager.user?.token ?? ""));
  manager.events?.addListener("tokenUpdated", ({ token }) => {
    if (typeof token === "string" && token !== "") {
      customers.renew(token);
    }
  });
  const Panel = ({ task }: { task?: FlexTask }): unknown => {
    const host = react.useRef<HTMLElement>(null);
    const key = keyOf(task, settings.key);
    react.useEffect(() => {
      const at = host.current;
      if (at === null) {
        return undefined;
      }
      if (key === undefined) {
        draw(at, { kind: "nobody" });
        return undefined;
      }
      return customers.watch(key, (sight) => draw(at, sight));
    }, [key, task?.sid]);
    return react.createElement("div", { ref: host });
  };
  const tab = { key: "flexbrevo-customer", uniqueName: "flexbrevo-customer", label: "Brevo" };
  const panel = react.createElement(flex.withTaskContext(Panel), { key: "flexbrevo-panel" });
  flex.TaskCanvasTabs.Content.add(react.createElement(flex.Tab, tab, panel), { sortOrder: 100 });
}
