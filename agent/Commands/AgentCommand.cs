using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class AgentCommand
{
    public static Command Create(CommandContext context)
    {
        var state = SharedOptions.Path("--state", "The directory of the agent's own state; made if it is missing.", "DIR", required: true);
        var socket = SharedOptions.Socket(context);
        var config = SharedOptions.Path("--config", "Configuration as JSON: logging (Serilog), intervals, limits.", "FILE");
        var clones = SharedOptions.Directories("--clones", "A directory that clones of protected disks are dropped into: each goes to the replica of the group whose clone it is. Nothing in it is changed. May be repeated.");
        var command = new Command("agent", "Run the agent beside the hypervisor: follow the groups' disks and send them to their replicas.") { state, socket, config, clones };
        var certificates = new CertificateOptions(command);
        context.SetAction(command, (parse, output, cancellation) => context.Commands().AgentAsync(
            new AgentArguments(parse.GetValue(state)!, parse.GetValue(socket)!, parse.GetValue(config), certificates.Get(parse)) { CloneDirectories = parse.GetValue(clones) is { Length: > 0 } given ? given : [] }, output, cancellation));
        return command;
    }
}
