using System.CommandLine;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageCommand
{
    public static Command Create(CommandContext context) =>
        new("image", "Look into disk images (raw, QCOW2, VHDX, VMDK, VHD), make, convert, compare, diff, merge and resize them. No agent is needed.")
        {
            ImageInfoCommand.Create(context),
            ImageMapCommand.Create(context),
            ImageCheckCommand.Create(context),
            ImageConvertCommand.Create(context),
            ImageCompareCommand.Create(context),
            ImageCreateCommand.Create(context),
            ImageDiffCommand.Create(context),
            ImageMergeCommand.Create(context),
            ImageResizeCommand.Create(context),
        };
}
