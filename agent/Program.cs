using VmRepl.Agent.Commands;
using VmRepl.Agent.Output;

using var signals = new TerminationSignals();
var context = new CommandContext(() => new UnavailableCommands(), CommandOutput.ForProcess, Environment.GetEnvironmentVariable);
return await CommandLine.RunAsync(args, context, signals.Token);
