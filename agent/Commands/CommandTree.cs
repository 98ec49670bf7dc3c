using System.CommandLine;
using System.CommandLine.Help;
using VmRepl.Agent.Commands.Image;

namespace VmRepl.Agent.Commands;

/// <summary>The whole command line.</summary>
internal static class CommandTree
{
    private const string Summary = """
        VmRepl keeps a second copy of virtual machines' disks, with every earlier moment of it.

        The agent runs beside the hypervisor and follows the disks; the replica keeps a live image of each, and a journal from which
        any recovery point can be restored, bit-exact. Exit status: 0 done, 1 failed or damaged, 2 usage, 3 refused because unsafe.
        """;

    /// <summary>In the order in which they are learned.</summary>
    private static readonly (string Name, Func<CommandContext, Command> Create)[] Commands =
    [
        ("demo", DemoCommand.Create),
        ("replica", ReplicaCommand.Create),
        ("agent", AgentCommand.Create),
        ("protect", ProtectCommand.Create),
        ("unprotect", UnprotectCommand.Create),
        ("serve", ServeCommand.Create),
        ("sync", SyncCommand.Create),
        ("bookmark", BookmarkCommand.Create),
        ("status", StatusCommand.Create),
        ("why", WhyCommand.Create),
        ("clone", CloneCommand.Create),
        ("clones", ClonesCommand.Create),
        ("points", PointsCommand.Create),
        ("restore-vm", RestoreCommand.Create),
        ("attach", AttachCommand.Create),
        ("detach", DetachCommand.Create),
        ("test-failover", TestFailoverCommand.Create),
        ("rewind", RewindCommand.Create),
        ("scrub", ScrubCommand.Create),
        ("image", ImageCommand.Create),
    ];

    /// <param name="first">The first word of the command line: if it is a command, only that is built, since building all costs more than many commands take.</param>
    public static RootCommand Create(CommandContext context, string? first)
    {
        var root = new RootCommand(Summary);
        root.Options.Add(context.Json);
        foreach (var (name, create) in Commands)
        {
            if (first == name || Array.TrueForAll(Commands, c => c.Name != first)) root.Subcommands.Add(create(context));
        }

        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }
}
