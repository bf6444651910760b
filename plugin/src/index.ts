import { loadPlugin } from "@twilio/flex-plugin";
import FlexbrevoPlugin from "./plugin";

loadPlugin(FlexbrevoPlugin);
