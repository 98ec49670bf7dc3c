using VmRepl.Agent.Commands;
using VmRepl.Agent.Output;

using var signals = new TerminationSignals();
var context = new CommandContext(() => new UnavailableCommands(), CommandOutput.ForProcess, Environment.GetEnvironmentVariable, signals.Token);
return CommandLine.Run(args, context);
