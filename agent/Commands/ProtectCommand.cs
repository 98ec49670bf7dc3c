using System.CommandLine;
using System.CommandLine.Parsing;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Commands.Parsing;

namespace VmRepl.Agent.Commands;

internal static class ProtectCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var disks = new Option<DiskArgument[]>("--disk")
        {
            Description = "A disk of the group: its name, its image file, and its format where it is not to be probed. May be repeated.",
            HelpName = "NAME=FILE[,format=F]",
            Required = true,
            Arity = ArgumentArity.OneOrMore,
            CustomParser = result => ParseDisks(result, "--disk", isElsewhere: false),
        };
        var to = SharedOptions.Address("--to", "The replica that keeps the second copy.", required: true);
        var definition = SharedOptions.Path("--definition", "The VM's definition (libvirt domain XML, for one): kept beside the disks and restored with them.", "FILE");
        var allow = SharedOptions.Allow();
        var metadata = new Option<string[]>("--metadata")
        {
            Description = "A key and value that travel with the group and come back in metadata.json as they were at each point. May be repeated.",
            HelpName = "KEY=VALUE",
            Validators = { result => CheckMetadata(result) },
        };
        var seeds = new Option<DiskArgument[]>("--seed")
        {
            Description = "A file at the replica that a disk's baseline begins from, such as an old copy: only what differs is sent. It lies in a directory that the replica takes seeds from; group:GROUP/DISK or group:GROUP/DISK@POINT is a disk that the replica keeps. May be repeated.",
            HelpName = "NAME=FILE[,format=F]",
            Arity = ArgumentArity.OneOrMore,
            CustomParser = result => ParseDisks(result, "--seed", isElsewhere: true),
        };
        var noWait = new Option<bool>("--no-wait") { Description = "Return at once; without it the command returns when the baseline is durable and its first point exists." };
        var socket = SharedOptions.Socket(context);
        var command = new Command("protect", "Begin to protect a group of disks: send the baseline and make the first recovery point.")
        {
            group, disks, seeds, to, definition, metadata, allow, noWait, socket,
        };
        command.Validators.Add(result => CheckSeeds(result, Names(result.GetResult(disks)), Names(result.GetResult(seeds))));
        var capture = new CaptureOptions(command);
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().ProtectAsync(
                new ProtectArguments(
                    parse.GetValue(group)!,
                    parse.GetValue(disks)!,
                    parse.GetValue(to)!,
                    parse.GetValue(definition),
                    parse.GetValue(allow) ?? [],
                    (parse.GetValue(metadata) ?? []).ToDictionary(m => m[..m.IndexOf('=')], m => m[(m.IndexOf('=') + 1)..]),
                    parse.GetValue(noWait),
                    parse.GetValue(socket)!)
                {
                    Seeds = parse.GetValue(seeds) ?? [],
                    How = capture.Get(parse),
                },
                output,
                cancellation),
            group);
        return command;
    }

    private static void CheckMetadata(OptionResult result)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var token in result.Tokens)
        {
            var key = token.Value.Split('=')[0];
            if (key == token.Value || !Protocol.Names.NameRule.IsValid(key)) result.AddError($"--metadata: \"{token.Value}\" is not KEY=VALUE with a key of {Protocol.Names.NameRule.Text}.");
            else if (key == "definition") result.AddError("--metadata: the definition is given with --definition.");
            else if (!keys.Add(key)) result.AddError($"--metadata: the key {key} is given twice.");
        }
    }

    private static void CheckSeeds(CommandResult result, IReadOnlyList<string> disks, IReadOnlyList<string> seeds)
    {
        if (seeds.FirstOrDefault(s => !disks.Contains(s)) is { } stray) result.AddError($"--seed: no --disk is named \"{stray}\".");
    }

    /// <summary>What stands before the equals signs, be the rest of it right or wrong.</summary>
    private static IReadOnlyList<string> Names(OptionResult? option) => [.. (option?.Tokens ?? []).Select(t => t.Value.Split('=')[0])];

    private static DiskArgument[] ParseDisks(ArgumentResult result, string option, bool isElsewhere)
    {
        var disks = new List<DiskArgument>();
        foreach (var token in result.Tokens)
        {
            if (!DiskText.TryParse(token.Value, out var disk, out var problem, option, isElsewhere)) result.AddError(problem);
            else if (disks.Any(d => d.Name == disk.Name)) result.AddError($"{option}: two disks are named \"{disk.Name}\".");
            else if (!isElsewhere && disks.Any(d => d.File == disk.File)) result.AddError($"{option}: {disk.File} is named twice.");
            else disks.Add(disk);
        }

        return [.. disks];
    }
}
